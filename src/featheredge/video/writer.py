"""Writing of a video: frames with their times, and the sound of the source.

Shapes: `H W` pixels of a frame.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import OutputError
from featheredge.video.containers import container_for, encoding_for
from featheredge.video.frame import Frame, Timing
from featheredge.video.sound import SoundTrack

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream

_BT709, _LIMITED = 1, 1


class VideoWriter:
    """A video file that is being written.

    The file is complete and playable after `close`, whenever that is.

    Attributes:
        num_frames: Number of frames written.
        sound: "copied" or "re-encoded"; None without sound.
    """

    def __init__(self, path: Path, timing: Timing, audio: "AudioStream | None" = None) -> None:
        """Open the file. Its size is that of the first frame.

        Args:
            path: The file; its suffix chooses the container and the codecs.
            timing: Time base, rate and shape of the pixels.
            audio: The sound of the source.

        Raises:
            OutputError: The suffix is unknown, or the file cannot be written.
        """
        import av

        self._path, self._timing = path, timing
        self._container = container_for(path)
        self._even = False
        self._video: VideoStream | None = None
        self._early: list[Packet[AudioStream]] = []
        self.num_frames = 0
        try:
            self._output = av.open(str(path), mode="w")
            self._track = audio and SoundTrack(self._output, audio, self._container)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failed(error) from error
        self.sound = self._track.how if self._track else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, item: "Frame | Packet[AudioStream]") -> None:
        """Write a frame, or a packet of the source's sound.

        Raises:
            OutputError: The file cannot be written, or a frame has another size than the first.
        """
        import av

        try:
            if isinstance(item, Frame):
                self._write_frame(item)
            elif self._video is None:
                self._early.append(item)  # the header needs the size of the first frame
            elif self._track:
                self._track.write(item)
        except av.FFmpegError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Write what the encoders still hold and the index of the file.

        Raises:
            OutputError: The file cannot be written.
        """
        import av

        try:
            if self._video is not None:
                self._output.mux(self._video.encode(None))
                if self._track:
                    self._track.close()
                self._video = None
            self._output.close()
        except av.FFmpegError as error:
            raise self._failed(error) from error

    def _write_frame(self, frame: Frame) -> None:
        from av import VideoFrame

        if self._video is None:
            self._video = self._add_video(frame.pixels)
            early, self._early = self._early, []
            for packet in early:
                self.write(packet)
        pixels = _evened(frame.pixels) if self._even else frame.pixels
        stream = self._video
        if pixels.shape[:2] != (stream.height, stream.width):
            raise OutputError(
                f"{self._path}: a frame has {pixels.shape[1]}x{pixels.shape[0]} pixels after "
                f"frames of {stream.width}x{stream.height}; a video has one size: convert "
                "its parts separately"
            )
        rgb = VideoFrame.from_ndarray(pixels, "rgba" if pixels.shape[2] == 4 else "rgb24")
        encoded = rgb.reformat(
            format=stream.pix_fmt, dst_colorspace=_BT709, dst_color_range=_LIMITED
        )
        encoded.pts, encoded.time_base = frame.pts, self._timing.time_base
        encoded.duration = frame.duration
        self._output.mux(stream.encode(encoded))
        self.num_frames += 1

    def _add_video(self, pixels: NDArray[np.uint8]) -> "VideoStream":
        from av import VideoStream
        from av.codec.context import Flags

        encoding = encoding_for(self._path, pixels.shape[2] == 4)
        self._even = encoding.even
        rate = self._timing.rate.limit_denominator(65535)
        stream = self._output.add_stream(encoding.codec, rate=rate, options=dict(encoding.options))
        assert isinstance(stream, VideoStream)
        height, width = (_evened(pixels) if self._even else pixels).shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, encoding.pixel_format
        context = stream.codec_context
        context.time_base = self._timing.time_base
        context.flags |= Flags.frame_duration  # so that the last frame keeps its duration
        context.sample_aspect_ratio = self._timing.aspect
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        if pixels.shape[2] == 4 and self._path.suffix.lower() == ".webm":
            stream.metadata["alpha_mode"] = "1"  # players look for it
        return stream

    def _failed(self, error: Exception) -> OutputError:
        cause = getattr(error, "strerror", None) or error
        return OutputError(f"{self._path}: cannot be written: {cause}")


def _evened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row and column where a side is odd: H.264 in 4:2:0 has even sides."""
    down, right = pixels.shape[0] % 2, pixels.shape[1] % 2
    if not (down or right):
        return pixels
    return np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="edge")
