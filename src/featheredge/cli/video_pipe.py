"""Raw frames in pipes, for the verb `video`."""

import sys
from typing import TYPE_CHECKING

from featheredge.cli.video_options import Task, VideoRun, open_session
from featheredge.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from featheredge.video.rendering import Render


def check_pipe(source: str, run: VideoRun) -> None:
    """Refuse options that do not fit to raw frames.

    Raises:
        ArgumentError: An option does not fit, or standard input or output is a terminal.
    """
    if not run.raw or source != "-":
        raise ArgumentError(
            "raw frames come from standard input: type `featheredge video - --raw WIDTHxHEIGHT`, "
            "or give the name of a video file without --raw"
        )
    if run.output or run.as_json or run.every > 1 or run.size or run.seconds:
        raise ArgumentError(
            "--raw writes every frame to standard output; leave out -o, --json, --every, --size "
            "and --seconds"
        )
    if sys.stdin.isatty() or sys.stdout.isatty():
        raise ArgumentError(
            "--raw reads standard input and writes to standard output; connect both to pipes, "
            "such as ffmpeg's: ffmpeg -i IN.mp4 -f rawvideo -pix_fmt rgb24 - | featheredge ..."
        )


def convert_pipe(run: VideoRun, task: Task, render: "Render", smooth: float, grey: bool) -> int:
    """Convert raw frames from standard input to raw frames on standard output."""
    from featheredge.video.convert import convert_frames
    from featheredge.video.raw import parse_size, read_frames, to_bytes
    from featheredge.video.smoothing import Smoother

    width, height = parse_size(run.raw or "")
    out = sys.stdout.buffer

    def write(pixels: "NDArray[np.uint8]") -> None:
        out.write(to_bytes(pixels, grey))

    frames = read_frames(sys.stdin.buffer, width, height)
    convert_frames(frames, write, open_session(task, run), render, Smoother(smooth))
    out.flush()
    return 0
