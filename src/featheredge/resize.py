"""Bilinear resizing of images and maps, without aliasing.

Shapes: `H W` pixels of the input; `h w` pixels of the output.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Number = TypeVar("Number", np.uint8, np.float32)

_STRIP_PIXELS = 1 << 20


def resize(array: NDArray[Number], height: int, width: int) -> NDArray[Number]:
    """Resize bilinearly; when shrinking, an output pixel averages all input pixels it covers.

    Args:
        array: (H, W) or (H, W, 3) uint8, or (H, W) float32.
        height: h, at least 1.
        width: w, at least 1.

    Returns:
        (h, w) or (h, w, 3) of the same dtype, within the range of the values of `array`.
    """
    source = Image.fromarray(array)
    resized = np.empty((height, width, *array.shape[2:]), array.dtype)
    for rows in strips(height, width):
        resized[rows] = resize_rows(source, height, width, rows)
    return resized


def resize_rows(source: Image.Image, height: int, width: int, rows: slice) -> NDArray[Any]:
    """Compute some rows of the output of `resize`.

    Args:
        source: The array as a PIL image, from `PIL.Image.fromarray`.
        height: h, at least 1.
        width: w, at least 1.
        rows: The rows of the output to compute.

    Returns:
        These rows, with the dtype and channels of `source`.
    """
    scale = source.height / height
    area = (0, rows.start * scale, source.width, min(rows.stop * scale, source.height))
    size = (width, rows.stop - rows.start)
    return np.asarray(source.resize(size, Image.Resampling.BILINEAR, box=area))


def strips(height: int, width: int) -> list[slice]:
    """Split the rows of an image into strips of about a megapixel, to keep temporaries small."""
    step = max(_STRIP_PIXELS // width, 1)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def fit_inside(height: int, width: int, longest_px: int) -> tuple[int, int]:
    """Return (h, w) with the same aspect ratio and a longer side of at most `longest_px`."""
    scale = min(longest_px / max(height, width), 1)
    return max(round(height * scale), 1), max(round(width * scale), 1)
