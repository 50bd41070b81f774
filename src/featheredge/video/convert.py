"""Conversion of a video: decoding, the network, and drawing with encoding overlap in three threads.

A few frames are in memory at a time, whatever the length of the video.

Shapes: `H W` pixels of a frame.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from featheredge.files import replacing
from featheredge.session import Session
from featheredge.video.containers import container_for
from featheredge.video.frame import Frame
from featheredge.video.reader import Sound, VideoReader
from featheredge.video.rendering import Map, Pixels, Render
from featheredge.video.smoothing import Smoother
from featheredge.video.threads import read_ahead, write_behind
from featheredge.video.writer import VideoWriter

Progress: TypeAlias = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Selection:
    """The frames of the input that are used.

    Attributes:
        every: Only every n-th frame is used.
        longest_px: Frames whose longer side has more pixels are shrunk.
        seconds: Stop after this many seconds of video; None for all.
        sound: Whether the sound is kept.
    """

    every: int = 1
    longest_px: int | None = None
    seconds: float | None = None
    sound: bool = True


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        num_frames: Number of frames.
        video_s: Time of the last frame, in seconds from the first.
        wall_s: How long it took, in seconds.
        sound: "copied" or "re-encoded"; None without sound.
        num_damaged: Packets of the input that could not be decoded and are left out.
        missing_s: Seconds that the input declares and does not have; 0 if it is complete.
        stopped: Whether `stop` ended it early.
    """

    num_frames: int
    video_s: float
    wall_s: float
    sound: str | None
    num_damaged: int
    missing_s: float
    stopped: bool


def convert(
    reader: VideoReader,
    output: Path,
    session: Session,
    render: Render,
    *,
    selection: Selection = Selection(),
    smoother: Smoother | None = None,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Run a network on the frames of a video, and write a video.

    Frames keep their times, so a variable frame rate stays variable. The output appears when it is
    complete: at the end, or when `stop` is set, and then it has the frames up to there. After an
    error, nothing is written.

    Args:
        reader: The input; it is read to its end and stays open.
        output: The file to write; its suffix chooses container and codecs.
        session: The network.
        render: Draws a frame of the output, from `featheredge.video.rendering.renderer`.
        selection: The frames to use.
        smoother: Smooths the maps; None leaves them unchanged.
        stop: Set it from another thread or a signal handler to end early.
        progress: Called with the number of finished frames and the estimated total, if known.

    Raises:
        VideoError: The input has no frame that can be decoded.
        OutputError: The output cannot be written.
        WeightsError: The network fails.
    """
    container_for(output)
    stop = stop or threading.Event()
    total = _total(reader, selection)
    started = time.perf_counter()
    audio = reader.audio if selection.sound else None
    with replacing(output) as temporary, VideoWriter(temporary, reader.timing, audio) as writer:

        def write(item: "tuple[Frame, Map] | Sound") -> None:
            if not isinstance(item, tuple):
                writer.write(item)
                return
            frame, map = item
            writer.write(dataclasses.replace(frame, pixels=render(frame.pixels, map)))
            if progress:
                progress(writer.num_frames, total)

        with (
            read_ahead(_until(reader, selection, stop)) as items,
            write_behind(write) as hand_over,
        ):
            for item in items:
                hand_over(_with_map(item, session, smoother) if isinstance(item, Frame) else item)
    return Converted(
        num_frames=writer.num_frames,
        video_s=reader.seconds,
        wall_s=time.perf_counter() - started,
        sound=writer.sound,
        num_damaged=reader.num_damaged,
        missing_s=0.0 if stop.is_set() or selection.seconds else reader.missing_s,
        stopped=stop.is_set(),
    )


def convert_frames(
    frames: Iterator[NDArray[np.uint8]],
    write: Callable[[Pixels], None],
    session: Session,
    render: Render,
    smoother: Smoother | None = None,
) -> int:
    """Run a network on frames that have no times, such as raw frames from a pipe.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        write: Takes the drawn frames, in order.
        session: The network.
        render: Draws a frame of the output.
        smoother: Smooths the maps; None leaves them unchanged.

    Returns:
        The number of frames.
    """
    count = 0

    def draw(pair: tuple[Pixels, Map]) -> None:
        write(render(*pair))

    with (
        read_ahead(frames) as ahead,
        write_behind(draw) as hand_over,
    ):
        for pixels in ahead:
            hand_over((pixels, _map_of(pixels, session, smoother)))
            count += 1
    return count


def _with_map(frame: Frame, session: Session, smoother: Smoother | None) -> tuple[Frame, Map]:
    return frame, _map_of(frame.pixels, session, smoother)


def _map_of(pixels: Pixels, session: Session, smoother: Smoother | None) -> Map:
    map = session(pixels, max_megapixels=np.inf)
    return smoother(pixels, map) if smoother else map


def _until(
    reader: VideoReader, selection: Selection, stop: threading.Event
) -> "Iterator[Frame | Sound]":
    """Yield the items of the input until it ends, `stop` is set or the time is over."""
    items = reader.items(
        every=selection.every, longest_px=selection.longest_px, sound=selection.sound
    )
    for item in items:
        if stop.is_set() or (selection.seconds and reader.seconds >= selection.seconds):
            return
        yield item


def _total(reader: VideoReader, selection: Selection) -> int | None:
    """Estimate the number of frames of the output."""
    limit = selection.seconds and round(selection.seconds * reader.timing.rate)
    known = [count for count in (reader.num_frames, limit) if count]
    return -(-min(known) // selection.every) if known else None
