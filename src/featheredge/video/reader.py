"""Reading of a video: its frames, upright, with their times, and the packets of its sound.

Shapes: `H W` pixels of a frame.
"""

import errno
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from featheredge.errors import VideoError
from featheredge.extras import require
from featheredge.video.decoding import to_rgb
from featheredge.video.frame import Frame, Timing

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame, VideoStream
    from av.container import InputContainer
    from av.stream import Stream

Sound: TypeAlias = "Packet[AudioStream]"

_USUAL_RATE = Fraction(25)
#: A file whose frames end this much earlier than it declares is truncated, in seconds.
_TRUNCATED_S = 1.0


class VideoReader:
    """A video file or device that is read once, from its start to its end.

    Attributes:
        name: Its name in messages.
        timing: Time base, average rate and shape of the pixels.
        audio: The sound track, if it has one.
        num_frames: Estimated number of frames; None if unknown.
        num_damaged: Number of packets so far that could not be decoded.
        seconds: Time of the last frame so far, from the first one.
    """

    def __init__(self, container: "InputContainer", name: str, *, live: bool = False) -> None:
        """Take an open container.

        Args:
            container: From `open_file` or `featheredge.video.camera.open_camera`.
            name: Its name in messages.
            live: Whether it is a device, whose times start anywhere and which has no end.

        Raises:
            VideoError: It has no video stream.
        """
        self.name = name
        self._container, self._live = container, live
        self._video = self._video_stream()
        self._video.thread_type = "AUTO"
        self.audio = next(iter(container.streams.audio), None)
        self.num_damaged, self.seconds = 0, 0.0
        base = self._video.time_base or 1 / _USUAL_RATE
        rate = self._video.average_rate or self._video.guessed_rate or _USUAL_RATE
        self.timing = Timing(base, rate, self._video.sample_aspect_ratio or Fraction(1))
        self._declared_s = self._declared_seconds()
        self.num_frames = self._video.frames or round(self._declared_s * rate) or None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def items(
        self, *, every: int = 1, longest_px: int | None = None, sound: bool = True
    ) -> "Iterator[Frame | Sound]":
        """Yield the frames and the packets of the sound, in the order of the file.

        Packets that cannot be decoded are counted and skipped, as players do.

        Args:
            every: Yield only every n-th frame; it is then shown longer.
            longest_px: Shrink frames whose longer side has more pixels.
            sound: Whether to yield the packets of the sound.

        Raises:
            VideoError: No frame can be decoded, or reading fails.
        """
        count, last, first = 0, None, None
        start = self._start(self.timing.time_base)
        wanted: list[Stream] = [self._video, *([self.audio] if self.audio and sound else [])]
        for packet in self._demux(wanted):
            if packet.stream is not self._video:
                yield self._from_zero(packet)
                continue
            for decoded in self._decode(packet):
                count += 1
                if (count - 1) % every:
                    continue
                last = self._time_of(decoded, last, every)
                first = last if first is None else first
                self.seconds = float((last - first) * self.timing.time_base)
                pixels = to_rgb(decoded, longest_px)
                shift = first if self._live else start
                yield Frame(pixels, last - shift, (decoded.duration or 0) * every)
        if not count:
            raise VideoError(
                f"{self.name}: no frame can be decoded; the file is damaged or has no pictures"
            )

    @property
    def missing_s(self) -> float:
        """Seconds of video that the file declares and does not have; 0 if it is complete."""
        missing = self._declared_s - self.seconds - float(1 / self.timing.rate)
        return missing if missing > _TRUNCATED_S else 0.0

    def _video_stream(self) -> "VideoStream":
        from av.stream import Disposition

        for stream in self._container.streams.video:
            if not stream.disposition & Disposition.attached_pic:
                return stream
        raise VideoError(f"{self.name}: no video stream; expected a video, such as an .mp4 file")

    def _declared_seconds(self) -> float:
        if self._video.duration is not None and self._video.time_base:
            return float(self._video.duration * self._video.time_base)
        return (self._container.duration or 0) / 1e6

    def _demux(self, streams: "Sequence[Stream]") -> "Iterator[Packet[Any]]":
        import av

        packets = self._container.demux(streams)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except av.error.BlockingIOError:  # a device has no new picture
                time.sleep(0.002)
                packets = self._container.demux(streams)
            except av.error.InvalidDataError:
                self.num_damaged += 1
                return
            except av.FFmpegError as error:
                raise VideoError(f"{self.name}: cannot be read: {error.strerror}") from error

    def _start(self, time_base: Fraction) -> int:
        """Return the time at which the file starts: MPEG transport streams start anywhere."""
        start_s = Fraction(max(self._container.start_time or 0, 0), 10**6)
        return round(start_s / time_base)

    def _from_zero(self, packet: "Sound") -> "Sound":
        """Shift the times of a packet of the sound, as those of the frames."""
        start = self._start(packet.time_base)
        if packet.pts is not None:
            packet.pts -= start
        if packet.dts is not None:
            packet.dts -= start
        return packet

    def _decode(self, packet: "Packet[VideoStream]") -> "list[VideoFrame]":
        import av

        try:
            return packet.decode()
        except av.error.EOFError:
            return []
        except av.FFmpegError:
            self.num_damaged += 1
            return []

    def _time_of(self, frame: "VideoFrame", last: int | None, every: int) -> int:
        """Return the time of a frame; encoders need times that increase."""
        step = max(round(every / (self.timing.rate * self.timing.time_base)), 1)
        if last is None:
            return frame.pts or 0
        return last + step if frame.pts is None else max(frame.pts, last + 1)


def open_file(path: Path) -> VideoReader:
    """Open a video file.

    Args:
        path: A file in any format that PyAV reads.

    Raises:
        VideoError: The file is missing, damaged, or not a video.
        MissingExtraError: PyAV is not installed.
    """
    require("video", "reading videos", "av")
    import av

    try:
        return VideoReader(av.open(str(path), mode="r"), str(path))
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise VideoError(
            f"{path}: not a video, or the file is damaged or incomplete; an .mp4 file that was not "
            "finished has no index and cannot be played"
        ) from error
    except av.FFmpegError as error:
        missing = error.errno == errno.ENOENT
        cause = "No such file or directory" if missing else error.strerror
        raise VideoError(f"{path}: {cause}") from error
