"""Looks: pictures drawn from an image and its map, for people to look at.

`EDGE_LOOKS` and `SALIENCY_LOOKS` name them. Each look is a pure function in `edges` or `saliency`;
`draw` finds it by name.

Shapes: `H W` pixels of the image.
"""

from featheredge.looks.contours import Contour, find_contours
from featheredge.looks.registry import EDGE_LOOKS, LOOKS, SALIENCY_LOOKS, Look, draw, find
from featheredge.looks.svg import contours_svg

__all__ = [
    "EDGE_LOOKS",
    "LOOKS",
    "SALIENCY_LOOKS",
    "Contour",
    "Look",
    "contours_svg",
    "draw",
    "find",
    "find_contours",
]
