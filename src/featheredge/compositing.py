"""The two layers of a cut-out: the object without background colour, and the new background.

Shapes: `H W` pixels of the image; `h w` of a small copy.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from featheredge.blocks import areas, block_extremes
from featheredge.box_filter import box_mean, box_sum, window_lengths
from featheredge.errors import ArgumentError, ImageError
from featheredge.image import ImageSource, load
from featheredge.refine import FIT_PX
from featheredge.resize import (
    fit_inside,
    resize,
    resize_area,
    resize_rows,
    small_copy,
    strips,
)

Background: TypeAlias = tuple[int, int, int] | ImageSource
"""A colour ("white", "#00ff00", (0, 255, 0)), an image, or "blur" for the blurred original."""

_OPAQUE = 255
_NEAR = 1 / 64
_FAR = 1 / 32


def foreground(
    image: NDArray[np.uint8], alpha: NDArray[np.uint8], small: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Estimate the object's colours in mixed border pixels, so that no colour fringe remains.

    Follows Forte, "Approximate Fast Foreground Colour Estimation" (ICIP 2021). F and B are the
    mean colours of object and background around a pixel, weighted by opacity. The residual of the
    image I corrects the estimate: F + a (I - a F - (1 - a) B). F and B are smooth, so they are
    computed on a small copy. Blocks that are wholly opaque, or transparent and far from the
    object, need no estimate.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, 255 is opaque.
        small: (h, w, 3) uint8 RGB, a small copy of the image, if there is one already.

    Returns:
        (H, W, 4) uint8 RGBA: the colours of the image where opaque, F where transparent.
    """
    if small is None:
        small = small_copy(image, FIT_PX)
    layer = np.zeros((*alpha.shape, 4), np.uint8)
    means = _surroundings(small, resize(alpha, *small.shape[:2]))
    lowest, highest = block_extremes(alpha, alpha.shape)
    brightest = np.maximum.reduce([np.asarray(plane) for plane in means[0].split()])
    coloured = block_extremes(brightest, alpha.shape)[1] > 0
    opaque = lowest == _OPAQUE
    for area in areas(opaque, alpha.shape):
        layer[area][..., 3] = _OPAQUE
        for channel in range(3):  # one by one: NumPy is slow on rows of three values
            layer[area][..., channel] = image[area][..., channel]
    for area in areas(~opaque & (coloured | (highest > 0)), alpha.shape):
        layer[area][..., 3] = alpha[area]
        _paint(layer[area], image[area], *(resize_area(x, alpha.shape, area) for x in means))
    return layer


def _paint(
    layer: NDArray[np.uint8],
    image: NDArray[np.uint8],
    near: NDArray[np.uint8],
    behind: NDArray[np.uint8],
) -> None:
    """Set the colours of a layer from its opacities; opaque pixels get those of the image.

    Args:
        layer: (h, w, 4) uint8 RGBA.
        image: (h, w, 3) uint8 RGB.
        near: (h, w, 3) uint8 RGB, mean colours of the object.
        behind: (h, w, 3) uint8 RGB, mean colours of the background.
    """
    share = layer[..., 3] / np.float32(_OPAQUE)
    for channel in range(3):
        colour = near[..., channel].astype(np.float32)
        background = behind[..., channel].astype(np.float32)
        unexplained = image[..., channel] - background
        background -= colour
        background *= share
        unexplained += background
        unexplained *= share
        colour += unexplained
        layer[..., channel] = _to_uint8(colour)


def _surroundings(
    small: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> tuple[Image.Image, Image.Image]:
    """Return the mean colours of object and background around every pixel, (h, w) RGB.

    Windows without any weight are black. Sums of integers are exact, so the sums over the
    background are those over everything minus those over the object.
    """
    radius_px = max(round(_NEAR * max(alpha.shape)), 1)
    colours, weights = small.transpose(2, 0, 1).astype(np.int32, order="C"), alpha.astype(np.int32)
    rows, columns = (window_lengths(length, radius_px) for length in alpha.shape)
    colour_sum, weight_sum = box_sum(colours * weights, radius_px), box_sum(weights, radius_px)
    other_colours = _OPAQUE * box_sum(colours, radius_px) - colour_sum
    other_weights = (_OPAQUE * rows[:, None] * columns).astype(np.int32) - weight_sum
    return _mean(colour_sum, weight_sum), _mean(other_colours, other_weights)


def _mean(colours: NDArray[Any], weights: NDArray[Any]) -> Image.Image:
    """Divide (3, h, w) sums of colours by (h, w) sums of weights; black where there is no weight.

    The smallest possible weight is 1 in a sum of integers and above 1/1000 in a mean.
    """
    share = 1 / np.maximum(weights, 1e-3, dtype=np.float32)
    return Image.merge("RGB", [Image.fromarray(_to_uint8(plane * share)) for plane in colours])


def backdrop(
    background: Background, image: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> Image.Image:
    """Return the background as an RGB image of any size, to be resized to the cut-out."""
    if isinstance(background, str) and background == "blur":
        return _blurred(image, ~alpha)
    if colour := _colour(background):
        return Image.new("RGB", (1, 1), colour)
    assert not isinstance(background, tuple)  # `_colour` returns or refuses tuples
    try:
        loaded = Image.fromarray(load(background))
    except ImageError as error:
        raise ImageError(
            f"the background is not a colour (white, #00ff00), blur or a readable image: {error}"
        ) from error
    height, width = alpha.shape
    return ImageOps.fit(loaded, (width, height), Image.Resampling.BILINEAR)


def over(layer: NDArray[np.uint8], behind: Image.Image) -> NDArray[np.uint8]:
    """Blend a layer, (H, W, 4) uint8 RGBA, over a background; the result is (H, W, 3) uint8."""
    height, width = layer.shape[:2]
    blended = np.empty((height, width, 3), np.uint8)
    for rows in strips(height, width):
        subject = Image.fromarray(layer[rows])
        below = Image.fromarray(resize_rows(behind, height, width, rows))
        below.paste(subject, mask=subject)
        blended[rows] = np.asarray(below)
    return blended


def _blurred(image: NDArray[np.uint8], weight: NDArray[np.uint8]) -> Image.Image:
    """Return weighted mean colours around every pixel of a small copy, (h, w) RGB.

    Three passes of a box filter come close to a Gaussian. Windows without any weight are black.
    """
    height, width = fit_inside(weight.shape[0], weight.shape[1], FIT_PX)
    weights = resize(weight, height, width).astype(np.float32)
    colours = resize(image, height, width).transpose(2, 0, 1) * weights
    radius_px = max(round(_FAR * max(height, width)), 1)
    for _ in range(3):
        colours, weights = box_mean(colours, radius_px), box_mean(weights, radius_px)
    return _mean(colours, weights)


def _colour(background: Background) -> tuple[int, ...] | None:
    """Return the RGB values of a colour name or tuple; None if it is neither."""
    if isinstance(background, tuple):
        if len(background) != 3 or not all(0 <= value <= _OPAQUE for value in background):
            raise ArgumentError(
                f"the background is {background}; expected (r, g, b), each from 0 to 255"
            )
        return background
    try:
        return ImageColor.getrgb(background)[:3] if isinstance(background, str) else None
    except ValueError:
        return None


def _to_uint8(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Round to integers and clip to [0, 255]."""
    rounded = np.rint(values)
    np.clip(rounded, 0, _OPAQUE, out=rounded)
    levels: NDArray[np.uint8] = rounded.astype(np.uint8)
    return levels
