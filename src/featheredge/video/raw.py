"""Raw frames in pipes: RGB24 in; grey, RGB24 or RGBA out, as FFmpeg's `-f rawvideo` has them.

Shapes: `H W` pixels of a frame.
"""

import re
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError, VideoError


def parse_size(text: str) -> tuple[int, int]:
    """Return (width, height) of a text such as "640x360".

    Raises:
        ArgumentError: The text is not a size.
    """
    match = re.fullmatch(r"([1-9]\d{0,5})[xX]([1-9]\d{0,5})", text)
    if not match:
        raise ArgumentError(f"the size is {text!r}; expected WIDTHxHEIGHT, such as 640x360")
    return int(match[1]), int(match[2])


def read_frames(stream: IO[bytes], width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a stream of RGB24 bytes.

    Args:
        stream: A binary stream; it may give fewer bytes than asked for, as pipes do.
        width: Width of a frame.
        height: Height of a frame.

    Yields:
        (H, W, 3) uint8 RGB.

    Raises:
        VideoError: The stream is empty, or ends inside a frame.
    """
    size, count = width * height * 3, 0
    while data := _read(stream, size):
        if len(data) < size:
            raise VideoError(
                f"standard input ends inside frame {count + 1}: {len(data):,} of {size:,} bytes "
                f"came; expected RGB24 frames of {width}x{height}; check the size, and "
                "`-pix_fmt rgb24` of ffmpeg"
            )
        yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        count += 1
    if not count:
        raise VideoError(
            f"standard input is empty; expected RGB24 frames of {width}x{height}, {size:,} bytes "
            "each"
        )


def to_bytes(pixels: NDArray[np.uint8], grey: bool) -> bytes:
    """Return the bytes of a drawn frame.

    Args:
        pixels: (H, W, 3) uint8 RGB or (H, W, 4) uint8 RGBA.
        grey: Whether to write one channel, for a frame whose channels are equal.
    """
    return (pixels[..., 0] if grey else pixels).tobytes()


def _read(stream: IO[bytes], size: int) -> bytes:
    """Read `size` bytes, or fewer at the end of the stream."""
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
