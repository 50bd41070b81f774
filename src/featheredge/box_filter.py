"""Sums and means over square windows, in a time that hardly depends on the size of the windows.

A sum of 2n values is the sum of two sums of n values, so a window of any size takes a few additions
of whole arrays. Unlike differences of cumulative sums this adds only as many values as the window
has, so float32 is exact enough.

Shapes: `C` channels; `h w` pixels.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.int32, np.float32, np.float64)
Float = TypeVar("Float", np.float32, np.float64)


def box_sum(values: NDArray[Number], radius_px: int) -> NDArray[Number]:
    """Compute the sum over a square window around every pixel, clipped to the image.

    Args:
        values: (h, w) or (C, h, w).
        radius_px: The window has a side of 2 radius_px + 1 pixels.

    Returns:
        The same shape and dtype.
    """
    if values.ndim == 3:
        return np.stack([box_sum(channel, radius_px) for channel in values])
    height, width = values.shape
    line = width + 2 * radius_px
    window = 2 * radius_px + 1
    # With a frame of zeros, stored as one long row: no window reaches into another row of values.
    flat = np.zeros((height + 2 * radius_px) * line + 2 * radius_px, values.dtype)
    framed = flat[: -2 * radius_px or None].reshape(-1, line)
    framed[radius_px : radius_px + height, radius_px : radius_px + width] = values
    sums = _window_sums(_window_sums(flat, window, 1), window, line)
    return np.ascontiguousarray(sums.reshape(height, line)[:, :width])


def box_mean(values: NDArray[Float], radius_px: int) -> NDArray[Float]:
    """Compute the mean over a square window around every pixel, clipped to the image.

    Args:
        values: (h, w) or (C, h, w) floating point.
        radius_px: The window has a side of 2 radius_px + 1 pixels.

    Returns:
        The same shape and dtype.
    """
    means = box_sum(values, radius_px)
    rows, columns = (1 / window_lengths(length, radius_px) for length in values.shape[-2:])
    means *= (rows[:, None] * columns).astype(values.dtype)
    return means


def window_lengths(length: int, radius_px: int) -> NDArray[np.int_]:
    """Return how many pixels the window around every pixel of an axis has."""
    position = np.arange(length)
    return np.minimum(position + radius_px + 1, length) - np.maximum(position - radius_px, 0)


def _window_sums(values: NDArray[Number], window: int, step: int) -> NDArray[Number]:
    """Sum `window` values at distances of `step`, from sums of 1, 2, 4, ... values."""
    length = len(values) - (window - 1) * step
    powers, total = values, values[:length]
    summed = size = 1
    while 2 * size <= window:
        powers = powers[: -size * step] + powers[size * step :]
        size *= 2
        if window & size:
            total = total + powers[summed * step : summed * step + length]
            summed += size
    return total
