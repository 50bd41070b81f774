"""Sharp borders for a coarse map: the fast guided filter, with the image as the guide.

In every window, the map is fitted as a linear function of the image's luminance, so that borders
of the map follow edges of the image. Follows He and Sun, "Fast Guided Filter" (2015,
arXiv:1505.00996, algorithm 2): the fit is computed on small copies of map and image, and only its
smooth coefficients are enlarged. This is fast and needs no large array except the result.

Shapes: `H W` pixels of the image; `h w` of its small copy; `C` channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.errors import ArgumentError
from featheredge.resize import fit_inside, resize, resize_rows, strips

FIT_PX = 512
"""Longest side of the small copy; a smaller image is not resized."""


def refine(
    map: NDArray[np.float32],
    image: NDArray[np.uint8],
    *,
    radius: float = 1 / 48,
    eps: float = 1e-4,
    fit_px: int = FIT_PX,
) -> NDArray[np.float32]:
    """Move the borders of a map to edges of its image.

    Args:
        map: (H, W) float32 in [0, 1], as large as the image or smaller.
        image: (H, W, 3) uint8 RGB.
        radius: Radius of the windows, as a share of the image's longer side: about the largest
            error of the map's borders that is corrected.
        eps: Windows whose luminance (in [0, 1]) has a variance below this count as flat. A
            smaller value makes the map follow weaker edges.
        fit_px: Longest side of the small copy.

    Returns:
        (H, W) float32 in [0, 1], the size of the image.

    Raises:
        ArgumentError: A number is not above 0.
    """
    if not (radius > 0 and eps > 0 and fit_px > 0):
        raise ArgumentError(
            f"radius, eps and fit_px are {radius}, {eps} and {fit_px}; expected numbers above 0"
        )
    height, width = image.shape[:2]
    luminance = np.asarray(Image.fromarray(image).convert("L"))
    small = fit_inside(height, width, fit_px)
    slope, offset = _fit(
        resize(map, *small),
        resize(luminance, *small) / 255,
        radius_px=max(round(radius * max(small)), 1),
        eps=eps,
    )
    refined = np.empty((height, width), np.float32)
    for rows in strips(height, width):
        strip = refined[rows]
        np.multiply(luminance[rows], resize_rows(slope, height, width, rows), out=strip)
        strip += resize_rows(offset, height, width, rows)
        np.clip(strip, 0, 1, out=strip)
    return refined


def box_mean(values: NDArray[np.floating[Any]], radius_px: int) -> NDArray[np.float64]:
    """Compute the mean over a square window around every pixel, clipped to the image.

    The time does not depend on the radius.

    Args:
        values: (h, w) or (h, w, C) floating point.
        radius_px: The window has a side of 2 radius_px + 1 pixels.

    Returns:
        float64 of the same shape.
    """
    return _window_mean(_window_mean(values, radius_px, 0), radius_px, 1)


def _window_mean(
    values: NDArray[np.floating[Any]], radius_px: int, axis: int
) -> NDArray[np.float64]:
    """Compute the window mean along one axis, from differences of cumulative sums."""
    values = np.moveaxis(values, axis, 0)
    sums = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=sums[1:])
    position = np.arange(len(values))
    first = np.maximum(position - radius_px, 0)
    end = np.minimum(position + radius_px + 1, len(values))
    counts = (end - first).reshape(-1, *[1] * (values.ndim - 1))
    return np.moveaxis((sums[end] - sums[first]) / counts, 0, axis)


def _fit(
    map: NDArray[np.float32], guide: NDArray[np.float64], radius_px: int, eps: float
) -> tuple[Image.Image, Image.Image]:
    """Fit the map as a linear function of 8-bit luminance around every pixel.

    Equations 3 to 5 of the paper. `map` and `guide`, the luminance in [0, 1], are (h, w).

    Returns:
        Mean slope and mean offset, each (h, w) float32.
    """
    mean_guide, mean_map = box_mean(guide, radius_px), box_mean(map, radius_px)
    variance = box_mean(guide * guide, radius_px) - mean_guide**2
    covariance = box_mean(guide * map, radius_px) - mean_guide * mean_map
    slope = covariance / (variance + eps)
    offset = mean_map - slope * mean_guide
    slope, offset = box_mean(slope / 255, radius_px), box_mean(offset, radius_px)
    return Image.fromarray(slope.astype(np.float32)), Image.fromarray(offset.astype(np.float32))
