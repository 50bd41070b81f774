"""The two layers of a cut-out: the object without background colour, and the new background.

Shapes: `H W` pixels of the image; `h w` of a small copy.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from featheredge.errors import ArgumentError, ImageError
from featheredge.image import ImageSource, load
from featheredge.refine import FIT_PX, box_mean
from featheredge.resize import fit_inside, resize, resize_rows, strips

Background: TypeAlias = tuple[int, int, int] | ImageSource
"""A colour ("white", "#00ff00", (0, 255, 0)), an image, or "blur" for the blurred original."""

_OPAQUE = 255
_NEAR = 1 / 64
_FAR = 1 / 32


def foreground(image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Estimate the object's colours in mixed border pixels, so that no colour fringe remains.

    Follows Forte, "Approximate Fast Foreground Colour Estimation" (ICIP 2021). F and B are the
    mean colours of object and background around a pixel, weighted by opacity. The residual of the
    image I corrects the estimate: F + a (I - a F - (1 - a) B). F and B are smooth, so they are
    computed on a small copy.

    Args:
        image: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, 255 is opaque.

    Returns:
        (H, W, 3) uint8 RGB: the image where opaque, F where transparent.
    """
    height, width = alpha.shape
    near, behind = (_mean_colour(image, weight, _NEAR) for weight in (alpha, ~alpha))
    estimate = np.empty_like(image)
    for rows in strips(height, width):
        colours, opacity = resize_rows(near, height, width, rows), alpha[rows]
        mixed = (opacity > 0) & (opacity < _OPAQUE)
        share = opacity[mixed][:, None] / np.float32(_OPAQUE)
        f, b = colours[mixed], resize_rows(behind, height, width, rows)[mixed]
        unexplained = image[rows][mixed] - share * f - (1 - share) * b
        estimate[rows] = np.where(opacity[..., None] == _OPAQUE, image[rows], colours)
        estimate[rows][mixed] = _to_uint8(f + share * unexplained)
    return estimate


def backdrop(
    background: Background, image: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> Image.Image:
    """Return the background as an RGB image of any size, to be resized to the cut-out."""
    if isinstance(background, str) and background == "blur":
        return _mean_colour(image, ~alpha, _FAR, passes=3)
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


def over(
    subject: NDArray[np.uint8], alpha: NDArray[np.uint8], behind: Image.Image
) -> NDArray[np.uint8]:
    """Blend the object's colours, (H, W, 3), over a background; the result is (H, W, 3) uint8."""
    height, width = alpha.shape
    blended = np.empty_like(subject)
    for rows in strips(height, width):
        layers = (subject[rows], resize_rows(behind, height, width, rows), alpha[rows])
        blended[rows] = np.asarray(Image.composite(*map(Image.fromarray, layers)))
    return blended


def _mean_colour(
    image: NDArray[np.uint8], weight: NDArray[np.uint8], radius: float, passes: int = 1
) -> Image.Image:
    """Return weighted mean colours around every pixel of a small copy, (h, w) RGB.

    Windows without any weight are black. `radius` is a share of the longer side.
    """
    height, width = fit_inside(weight.shape[0], weight.shape[1], FIT_PX)
    weights = resize(weight, height, width)[..., None].astype(np.float64)
    colours = resize(image, height, width) * weights
    radius_px = max(round(radius * max(height, width)), 1)
    for _ in range(passes):
        colours, weights = box_mean(colours, radius_px), box_mean(weights, radius_px)
    return Image.fromarray(_to_uint8(colours / np.maximum(weights, 1e-3)))


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
    rounded: NDArray[np.uint8] = np.rint(values).clip(0, _OPAQUE).astype(np.uint8)
    return rounded
