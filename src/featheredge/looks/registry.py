"""The looks by name, and the function that draws one.

Shapes: `H W` pixels of the image.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from featheredge.catalog import Task
from featheredge.errors import ArgumentError, ImageError
from featheredge.looks import edges, saliency

Drawing: TypeAlias = NDArray[np.uint8] | str
"""(H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA; or the text of an SVG file."""

Draw: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.float32], float | None], Drawing]


@dataclass(frozen=True)
class Look:
    """One way to draw a map.

    Attributes:
        draw: The function: image, map and threshold (None is the default of the look) to drawing.
        about: What it shows, in a few words.
        inverted: The same with black and white swapped; None for looks in the photo's colours.
        suffix: Suffix of files: ".png", or ".svg" if `draw` returns text.
    """

    draw: Draw
    about: str
    inverted: Draw | None = None
    suffix: str = ".png"


def draw(
    task: Task,
    look: str,
    image: NDArray[np.uint8],
    map: NDArray[np.float32],
    *,
    threshold: float | None = None,
    invert: bool = False,
) -> Drawing:
    """Draw a map as one of the looks of its task.

    Args:
        task: "edges" or "saliency".
        look: A name in `EDGE_LOOKS` or `SALIENCY_LOOKS`.
        image: (H, W, 3) uint8 RGB.
        map: (H, W) float32 in [0, 1], the output of a network for the image. The looks of saliency
            other than "map" take one of any size: they fit its borders to the image.
        threshold: Map value from which a pixel counts, above 0 and at most 1; None is the default
            of the look.
        invert: Whether to swap black and white.

    Returns:
        (H, W), (H, W, 3) or (H, W, 4) uint8; for "contour-svg", the text of an SVG file.

    Raises:
        ArgumentError: The look is unknown or cannot be inverted, or the threshold is out of range.
        ImageError: Image and map have different sizes.
        NoObjectError: A cut-out has no object.

    Example:
        >>> import featheredge as fe
        >>> from featheredge.looks import EDGE_LOOKS, draw
        >>> list(EDGE_LOOKS)
        ['map', 'binary', 'thin', 'overlay', 'sketch', 'lineart', 'contour-svg']
        >>> photo = fe.load_image("examples/coffee.jpg")
        >>> draw("edges", "overlay", photo, fe.edges(photo)).shape
        (400, 600, 3)
    """
    chosen = find(task, look, invert)
    if threshold is not None and not 0 < threshold <= 1:
        raise ArgumentError(f"threshold is {threshold}; expected above 0 and at most 1")
    refined = task == "saliency" and look != "map"
    if map.ndim != 2 or (not refined and image.shape != (*map.shape, 3)):
        raise ImageError(
            f"the image has shape {image.shape} and the map {map.shape}; expected (H, W, 3) and "
            "(H, W) of the same size"
        )
    return chosen(image, map, threshold)


def find(task: Task, look: str, invert: bool = False) -> Draw:
    """Return the function that draws a look.

    Args:
        task: "edges" or "saliency".
        look: A name in `EDGE_LOOKS` or `SALIENCY_LOOKS`.
        invert: Whether to swap black and white.

    Raises:
        ArgumentError: The look is unknown or cannot be inverted.
    """
    looks = LOOKS[task]
    if look not in looks:
        raise ArgumentError(f"unknown look {look!r} for {task}; choose one of {', '.join(looks)}")
    if not invert:
        return looks[look].draw
    if (inverted := looks[look].inverted) is None:
        names = ", ".join(name for name, each in looks.items() if each.inverted)
        raise ArgumentError(f"{look} cannot be inverted (--invert); choose one of {names}")
    return inverted


def _negative(
    draw: Callable[[NDArray[np.uint8], NDArray[np.float32], float | None], NDArray[np.uint8]],
) -> Draw:
    """Return the look with black and white swapped."""

    def inverted(
        image: NDArray[np.uint8], map: NDArray[np.float32], threshold: float | None
    ) -> NDArray[np.uint8]:
        return ~draw(image, map, threshold)

    return inverted


EDGE_LOOKS: Mapping[str, Look] = MappingProxyType({
    "map": Look(edges.plain, "the map, white on black", _negative(edges.plain)),
    "binary": Look(edges.binary, "white where edge, else black", _negative(edges.binary)),
    "thin": Look(edges.thin, "ridge lines one pixel wide", _negative(edges.thin)),
    "overlay": Look(edges.overlay, "coloured edges on the faded photo"),
    "sketch": Look(edges.sketch, "a pencil drawing with shading", _negative(edges.sketch)),
    "lineart": Look(edges.lineart, "clean black lines on white", _negative(edges.lineart)),
    "contour-svg": Look(
        edges.contour_svg,
        "vector contours, one path each",
        functools.partial(edges.contour_svg, invert=True),
        ".svg",
    ),
})  # fmt: skip

SALIENCY_LOOKS: Mapping[str, Look] = MappingProxyType({
    "map": Look(saliency.plain, "the map, white on black", _negative(saliency.plain)),
    "mask": Look(saliency.mask, "the object's opacity", _negative(saliency.mask)),
    "cutout": Look(saliency.cutout, "the object on a transparent background"),
    "overlay": Look(saliency.overlay, "the object tinted, the rest faded"),
    "blur": Look(saliency.blur, "the object before a blurred background"),
    "trimap": Look(saliency.trimap, "inside, unknown, outside", _negative(saliency.trimap)),
    "outline": Look(saliency.outline, "a line around the object"),
})  # fmt: skip

LOOKS: Mapping[Task, Mapping[str, Look]] = MappingProxyType(
    {"edges": EDGE_LOOKS, "saliency": SALIENCY_LOOKS}
)
