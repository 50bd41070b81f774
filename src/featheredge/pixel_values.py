"""Arrays of any dtype that holds an image's values -> 8 bits.

Shapes: H W pixels, C channels.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ImageError


def to_uint8(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Convert an image's values to 8 bits; 16-bit values by rounding v / 257.

    Args:
        array: (H, W) or (H, W, C) uint8, uint16, bool or floating point in [0, 1].
        name: What messages call the image.

    Returns:
        uint8 of the same shape.

    Raises:
        ImageError: Another dtype, or values out of range.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        _warn_if_nearly_black(array, name)
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        return unit_to_uint8(array, name)
    raise ImageError(
        f"{name}: dtype {array.dtype}; expected uint8, uint16, bool or floating point in [0, 1] "
        "(8-bit values in a wider dtype: array.astype(numpy.uint8))"
    )


def unit_to_uint8(array: NDArray[np.floating[Any]], name: str) -> NDArray[np.uint8]:
    """Convert values in [0, 1] to round(255 v).

    Args:
        array: Floating point of any shape.
        name: What messages call it.

    Returns:
        uint8 of the same shape.

    Raises:
        ImageError: A value is not finite or outside [0, 1].
    """
    low, high = array.min(), array.max()  # either is NaN where any value is
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{name}: contains NaN or infinity; expected values in [0, 1]")
    if low < 0 or high > 1:
        raise ImageError(
            f"{name}: floating point values from {low:g} to {high:g}; expected [0, 1] "
            "(divide 8-bit values by 255)"
        )
    levels = np.empty(array.shape, np.uint8)
    for row, out in zip(array, levels, strict=True):  # no second large array beside a large map
        out[...] = np.rint(row * array.dtype.type(255))
    return levels


def _warn_if_nearly_black(array: NDArray[np.uint16], name: str) -> None:
    """8-bit values in 16 bits are at most 255 of 65535, so the picture is read as black."""
    highest = int(array.max())
    if 1 < highest <= np.iinfo(np.uint8).max:
        warnings.warn(
            f"{name}: 16-bit values up to {highest} are nearly black, since white is 65535; if "
            "they are 8-bit values, convert them first: array.astype(numpy.uint8)",
            stacklevel=2,
        )
