"""The looks of saliency maps.

Each takes an image, (H, W, 3) uint8 RGB, its map, float32 in [0, 1], and a threshold or None for
the default, 0.5. `registry.draw` is the checked way to call them. For `plain` the map is (H, W);
all others refine it first, as for a cut-out, and take a map of any size.

Shapes: `H W` pixels of the image.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.box_filter import box_mean
from featheredge.compose import compose, refine_subject
from featheredge.looks.paint import ACCENT, blend, fade
from featheredge.looks.svg import default_line_px
from featheredge.opacity import soft_mask
from featheredge.png import binarise, quantise

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]

#: Half the width of the unknown band of a trimap, as a share of the longer side.
_UNKNOWN = 1 / 80


def plain(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw the network's own map, value round(255 p), or black and white at a threshold."""
    return quantise(map if threshold is None else binarise(map, threshold))


def mask(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw the object's opacities, with sharp borders; black and white at a threshold."""
    refined = _refined(image, map, threshold)
    return quantise(soft_mask(refined) if threshold is None else binarise(refined, threshold))


def cutout(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Cut the object out, on a transparent background: (H, W, 4) RGBA."""
    return compose(image, _refined(image, map, threshold), _border(threshold))


def blur(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Blur everything except the object."""
    return compose(image, _refined(image, map, threshold), _border(threshold), "blur")


def overlay(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw the object in its colours with a light tint, on the faded photo."""
    opacity = _opacity(image, map, threshold)
    tinted = blend(image, ACCENT, np.float32(0.2))
    return blend(fade(image), tinted, opacity)


def trimap(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw white inside the object, black outside, and grey (128) in a band around its border."""
    inside = _opacity(image, map, threshold)
    share = box_mean(inside, max(round(max(inside.shape) * _UNKNOWN), 1))
    levels = np.full(inside.shape, 128, np.uint8)
    levels[share > 1 - 1e-3] = 255
    levels[share < 1e-3] = 0
    return levels


def outline(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw a line around the object on the photo."""
    inside = _opacity(image, map, threshold) >= 0.5
    line_px = max(round(1.5 * default_line_px(*inside.shape)), 2)
    near = box_mean(inside.astype(np.float32), line_px)
    line = np.where(inside, 0, np.clip(near * 4 * line_px, 0, 1)).astype(np.float32)
    return blend(image, ACCENT, line)


def _refined(image: Pixels, map: Map, threshold: float | None) -> Map:
    return refine_subject(image, map, _border(threshold))


def _opacity(image: Pixels, map: Map, threshold: float | None) -> Map:
    return soft_mask(_refined(image, map, threshold), _border(threshold))


def _border(threshold: float | None) -> float:
    return 0.5 if threshold is None else threshold
