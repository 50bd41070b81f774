"""Cameras, which are read like videos without an end."""

import sys
from typing import TYPE_CHECKING

from featheredge.errors import VideoError
from featheredge.extras import require
from featheredge.video.reader import VideoReader

if TYPE_CHECKING:
    from av.container import InputContainer

#: System -> the device format of FFmpeg, and the name of a camera there.
_DEVICES = {
    "linux": ("v4l2", "/dev/video{index}"),
    "darwin": ("avfoundation", "{index}:none"),
}


def open_camera(index: int) -> VideoReader:
    """Open a camera. Its first frame has time 0.

    Args:
        index: Number of the camera, from 0.

    Raises:
        VideoError: There is no such camera, or it cannot be opened.
        MissingExtraError: PyAV is not installed.
    """
    require("video", "reading a camera", "av")
    return VideoReader(_open_device(index), f"camera {index}", live=True)


def _open_device(index: int) -> "InputContainer":
    import av

    if sys.platform not in _DEVICES:
        raise VideoError(
            f"camera {index}: cameras are read on Linux and macOS; here, record a file first, or "
            "pipe frames with --raw"
        )
    kind, pattern = _DEVICES[sys.platform]
    name = pattern.format(index=index)
    try:
        return av.open(name, mode="r", format=kind)
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(
            f"camera {index}: {name} cannot be opened: {error}; is it connected, free, and are "
            "you allowed to use it?"
        ) from error
