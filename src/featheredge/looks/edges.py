"""The looks of edge maps.

Each takes an image, (H, W, 3) uint8 RGB, its map, (H, W) float32 in [0, 1], and a threshold or
None for the default. `registry.draw` is the checked way to call them.

Shapes: `H W` pixels of the image.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from featheredge.looks.contours import THRESHOLD, find_contours
from featheredge.looks.paint import ACCENT, blend, fade
from featheredge.looks.svg import contours_svg, default_line_px
from featheredge.nms import suppress
from featheredge.png import binarise, quantise

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]

#: Lines of `lineart` are drawn at this factor of the size, then averaged.
_SUPERSAMPLING = 3

#: Blur radius of the shading of `sketch`, as a share of the longer side.
_SHADING = 1 / 60


def plain(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw the map, value round(255 p), or black and white at a threshold."""
    return quantise(map if threshold is None else binarise(map, threshold))


def binary(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw pixels white from the threshold on (0.5), and all others black."""
    return plain(image, map, 0.5 if threshold is None else threshold)


def thin(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw the ridge lines of the map, by non-maximum suppression."""
    return plain(image, suppress(map), threshold)


def overlay(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw edges in colour on the photo, which is faded to grey."""
    return blend(fade(image), ACCENT, _strokes(map, threshold))


def sketch(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw a pencil sketch: edges as soft strokes, shadows as light shading."""
    luminance = Image.fromarray(image).convert("L")
    blurred = luminance.filter(ImageFilter.GaussianBlur(max(image.shape) * _SHADING))
    grey, around = (np.asarray(each, np.float32) for each in (luminance, blurred))
    # Shading darkens what is darker than its surroundings, and a little what is dark.
    detail = np.clip((grey + 24) / (around + 24), 0, 1)
    tone = 1 - 0.45 * (1 - around / 255) ** 2
    paper = detail**0.5 * tone * (1 - 0.9 * _strokes(map, threshold))
    return quantise(np.clip(paper, 0, 1))


def lineart(image: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw contours as smooth black lines of equal width on white."""
    height, width = map.shape
    scale = _SUPERSAMPLING
    sheet = Image.new("L", (width * scale, height * scale), 255)
    pen, line_px = ImageDraw.Draw(sheet), round(scale * default_line_px(height, width))
    for contour in find_contours(map, THRESHOLD if threshold is None else threshold):
        points = (contour.points * scale).ravel().tolist()
        pen.line(points, fill=0, width=line_px, joint="curve")
    return np.asarray(sheet.reduce(scale))


def contour_svg(image: Pixels, map: Map, threshold: float | None, *, invert: bool = False) -> str:
    """Draw contours as SVG, see `contours_svg`."""
    return contours_svg(map, THRESHOLD if threshold is None else threshold, invert=invert)


def _strokes(map: Map, threshold: float | None) -> Map:
    """Return opacities of strokes: the map, without values below the threshold."""
    return map if threshold is None else np.where(map >= threshold, map, np.float32(0))
