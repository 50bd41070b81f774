"""Sharp borders for a coarse map: the fast guided filter, with the image as the guide.

In every window, the map is fitted as a linear function of the image's luminance, so that borders
of the map follow edges of the image. Follows He and Sun, "Fast Guided Filter" (2015,
arXiv:1505.00996, algorithm 2): the fit is computed on small copies of map and image, and only its
smooth coefficients are enlarged. This is fast and needs no large array except the result.

Shapes: `H W` pixels of the image; `h w` of its small copy; `C` channels.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.blocks import block_extremes
from featheredge.box_filter import box_mean
from featheredge.errors import ArgumentError
from featheredge.pixel_values import check_unit
from featheredge.resize import Area, resize, resize_area, small_copy, strips

FIT_PX = 512
"""Longest side of the small copy; a smaller image is not resized."""

RADIUS = 1 / 48
EPS = 1e-4


class Lines(NamedTuple):
    """The fit around every pixel of the small copy: map = slope * luminance + offset.

    Attributes:
        slope: (h, w) float32 image, for luminance in [0, 255].
        offset: (h, w) float32 image.
    """

    slope: Image.Image
    offset: Image.Image


def refine(
    map: NDArray[np.float32],
    image: NDArray[np.uint8],
    *,
    radius: float = RADIUS,
    eps: float = EPS,
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
        ImageError: The map has NaN or values outside [0, 1].
    """
    if not (radius > 0 and eps > 0 and fit_px > 0):
        raise ArgumentError(
            f"radius, eps and fit_px are {radius}, {eps} and {fit_px}; expected numbers above 0"
        )
    check_unit(map, "the map")
    return apply_to_image(fit_lines(map, small_copy(image, fit_px), radius=radius, eps=eps), image)


def apply_to_image(lines: Lines, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute the refined map at the size of the image, strip by strip."""
    height, width = image.shape[:2]
    refined = np.empty((height, width), np.float32)
    for rows in strips(height, width):
        area = rows, slice(0, width)
        refined[area] = apply_lines(lines, image, area)
    return refined


def fit_lines(
    map: NDArray[np.float32], small: NDArray[np.uint8], *, radius: float = RADIUS, eps: float = EPS
) -> Lines:
    """Fit the map as a linear function of the image's luminance around every pixel.

    Equations 3 to 5 of the paper.

    Args:
        map: (H, W) float32 in [0, 1], of any size.
        small: (h, w, 3) uint8 RGB, the small copy of the image.
        radius: See `refine`.
        eps: See `refine`.
    """
    luminance = np.asarray(Image.fromarray(small).convert("L"))
    guide, values = luminance * np.float32(1 / 255), resize(map, *luminance.shape)
    radius_px = max(round(radius * max(luminance.shape)), 1)
    mean_guide, mean_map = box_mean(guide, radius_px), box_mean(values, radius_px)
    variance = box_mean(guide * guide, radius_px) - mean_guide * mean_guide
    covariance = box_mean(guide * values, radius_px) - mean_guide * mean_map
    slope = covariance / (variance + np.float32(eps))
    offset = mean_map - slope * mean_guide
    return Lines(
        Image.fromarray(box_mean(slope * np.float32(1 / 255), radius_px)),
        Image.fromarray(box_mean(offset, radius_px)),
    )


def apply_lines(lines: Lines, image: NDArray[np.uint8], area: Area) -> NDArray[np.float32]:
    """Compute the refined map on a rectangle of the image: slope times luminance plus offset."""
    shape = image.shape[:2]
    luminance = np.asarray(Image.fromarray(image[area]).convert("L"))
    refined: NDArray[np.float32] = luminance * resize_area(lines.slope, shape, area)
    refined += resize_area(lines.offset, shape, area)
    return np.clip(refined, 0, 1, out=refined)


def bounds(lines: Lines, shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest and the highest value that the refined map can have in each block.

    A line has its extremes at black or white, and interpolated lines lie between their neighbours.

    Args:
        lines: The output of `fit_lines`.
        shape: H and W of the image.

    Returns:
        (R, C) minima and (R, C) maxima for the blocks of `featheredge.blocks`.
    """
    black = np.asarray(lines.offset)
    white = black + 255 * np.asarray(lines.slope)
    lowest = block_extremes(np.minimum(black, white), shape)[0]
    highest = block_extremes(np.maximum(black, white), shape)[1]
    return lowest, highest
