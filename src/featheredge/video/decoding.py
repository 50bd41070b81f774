"""Decoding of one packet: frames as upright RGB arrays, and the colours that a video declares.

Shapes: `H W` pixels of a frame.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featheredge.resize import fit_inside

if TYPE_CHECKING:
    from av import VideoFrame

_UNSPECIFIED, _BT709, _BT601 = 2, 1, 5
_HD_HEIGHT = 720


def to_rgb(frame: "VideoFrame", longest_px: int | None = None) -> NDArray[np.uint8]:
    """Convert a decoded frame to RGB, and turn it upright.

    Videos without a colour matrix count as BT.709 from 720 lines, else as BT.601, as players do.

    Args:
        frame: A frame of any pixel format.
        longest_px: Shrink the frame so that its longer side has at most this many pixels; None
            keeps the size.

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous.
    """
    height, width = frame.height, frame.width
    if longest_px is not None:
        height, width = fit_inside(height, width, longest_px)
    # A missing matrix is None in the frame's own value, so that swscale would assume BT.601.
    matrix = int(frame.colorspace)
    if matrix == _UNSPECIFIED:
        matrix = _BT709 if frame.height >= _HD_HEIGHT else _BT601
    pixels = frame.reformat(
        width, height, "rgb24", src_colorspace=matrix, interpolation="AREA"
    ).to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))  # counter-clockwise
