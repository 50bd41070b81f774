"""Conversion of pixel values of any supported dtype to 8 bits.

Shapes: `H W` pixels; `C` channels.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ImageError

_STRIP_VALUES = 1 << 16


def to_uint8(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Convert pixel values to 8 bits; 16-bit values by rounding v / 257.

    Args:
        array: (H, W) or (H, W, C) uint8, uint16, bool or floating point in [0, 1].
        name: Name of the image in messages.

    Returns:
        uint8 of the same shape.

    Raises:
        ImageError: The dtype is not supported, or values are out of range.

    Warns:
        UserWarning: A uint16 image has no value above 255, so that it is nearly black.
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
        "(convert 8-bit values in a wider dtype with array.astype(numpy.uint8))"
    )


def unit_to_uint8(array: NDArray[np.floating[Any]], name: str) -> NDArray[np.uint8]:
    """Convert values in [0, 1] to round(255 v).

    Args:
        array: Floating point of any shape.
        name: Name of the image or map in messages.

    Returns:
        uint8 of the same shape.

    Raises:
        ImageError: A value is not finite or is outside [0, 1].
    """
    check_unit(array, name)
    levels = np.empty(array.shape, np.uint8)
    step = max(_STRIP_VALUES * len(array) // array.size, 1)
    for first in range(0, len(array), step):  # strips stay in the cache
        scaled = array[first : first + step] * array.dtype.type(255)
        levels[first : first + step] = np.rint(scaled, out=scaled)
    return levels


def check_unit(array: NDArray[np.floating[Any]], name: str) -> None:
    """Raise an error unless all values are in [0, 1].

    Args:
        array: Floating point of any shape, not empty.
        name: Name of the image or map in the message.

    Raises:
        ImageError: A value is not finite or is outside [0, 1].
    """
    low, high = array.min(), array.max()  # NaN if any value is NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{name}: contains NaN or infinity; expected values in [0, 1]")
    if low < 0 or high > 1:
        raise ImageError(
            f"{name}: floating point values from {low:g} to {high:g}; expected [0, 1] "
            "(divide 8-bit values by 255)"
        )


def _warn_if_nearly_black(array: NDArray[np.uint16], name: str) -> None:
    """Warn if 16-bit values look like 8-bit values: at most 255 of 65535, so nearly black."""
    highest = int(array.max())
    if 1 < highest <= np.iinfo(np.uint8).max:
        warnings.warn(
            f"{name}: 16-bit values up to {highest} are nearly black, because white is 65535; if "
            "they are 8-bit values, convert them first with array.astype(numpy.uint8)",
            stacklevel=2,
        )
