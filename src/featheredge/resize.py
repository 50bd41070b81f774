"""Bilinear resizing of images and maps, without aliasing.

Shapes: `H W` pixels of the input; `h w` pixels of the output.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.errors import ArgumentError

Number = TypeVar("Number", np.uint8, np.float32)

_STRIP_PIXELS = 1 << 20

Area: TypeAlias = tuple[slice, slice]
"""Rows and columns of an image, with ends that are not None."""


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
    return resize_area(source, (height, width), (rows, slice(0, width)))


def resize_area(source: Image.Image, shape: tuple[int, int], area: Area) -> NDArray[Any]:
    """Compute a rectangle of the output of `resize`.

    Args:
        source: The array as a PIL image, from `PIL.Image.fromarray`.
        shape: h and w, each at least 1.
        area: The rows and columns of the output to compute, not empty.

    Returns:
        The rectangle, with the dtype and channels of `source`.
    """
    top, bottom, left, right = area[0].start, area[0].stop, area[1].start, area[1].stop
    if shape == (source.height, source.width):
        return np.asarray(source.crop((left, top, right, bottom)))
    down, across = source.height / shape[0], source.width / shape[1]
    box = (
        left * across,
        top * down,
        min(right * across, source.width),
        min(bottom * down, source.height),
    )
    size = (right - left, bottom - top)
    return np.asarray(source.resize(size, Image.Resampling.BILINEAR, box=box))


def small_copy(image: NDArray[np.uint8], longest_px: int) -> NDArray[np.uint8]:
    """Shrink an image so that its longer side has at most a number of pixels.

    A large image is first averaged over squares of pixels, which is faster than `resize` and gives
    the same values up to 1 of 255 levels. Networks get their input from `resize`: their maps would
    change more.

    Args:
        image: (H, W, 3) uint8 RGB.
        longest_px: Longer side of the copy; a smaller image is returned itself.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    height, width = fit_inside(image.shape[0], image.shape[1], longest_px)
    if (height, width) == image.shape[:2]:
        return image
    bilinear = Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize((width, height), bilinear, reducing_gap=3.0))


def strips(height: int, width: int) -> list[slice]:
    """Split the rows of an image into strips of about a megapixel, to keep temporaries small."""
    step = max(_STRIP_PIXELS // width, 1)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def fit_inside(height: int, width: int, longest_px: int) -> tuple[int, int]:
    """Return (h, w) with the same aspect ratio and a longer side of at most `longest_px`."""
    return scaled(height, width, min(longest_px / max(height, width), 1))


def scaled(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return (h, w) at a scale, rounded to at least one pixel."""
    return max(round(height * scale), 1), max(round(width * scale), 1)


def check_scales(scales: Sequence[float]) -> None:
    """Raise an error unless there are scales, all finite and above 0.

    Raises:
        ArgumentError: They are not usable.
    """
    if not scales or not all(0 < scale < np.inf for scale in scales):
        raise ArgumentError(f"scales is {tuple(scales)}; give at least one factor, all above 0")
