"""How a frame of the output looks: the map, an overlay, frame and map side by side, or a cut-out.

`STYLES` names the looks. Another look is one more function in it.

Shapes: `H W` pixels of the frame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.compose import soft_mask
from featheredge.compositing import Background, backdrop, foreground, over
from featheredge.errors import ArgumentError
from featheredge.image import load
from featheredge.nms import suppress
from featheredge.png import binarise, quantise
from featheredge.refine import refine
from featheredge.subject import MIN_SHARE, Subject, select_subject

Pixels: TypeAlias = NDArray[np.uint8]
Map: TypeAlias = NDArray[np.float32]
Look = Literal["map", "overlay", "side-by-side", "cutout"]

_EDGE_COLOUR = (255, 96, 0)
_DIMMED = 0.25


@dataclass(frozen=True)
class Style:
    """The settings of all looks.

    Attributes:
        task: "edges" or "saliency".
        threshold: Map value from which a pixel counts as edge or object; None keeps the values of
            a map, and is 0.5 for a cut-out.
        thin: Whether to thin edges to ridge lines.
        background: Background of a cut-out; None is transparent.
        subject: The parts that a cut-out keeps, as in `featheredge.cutout`.
        min_share: Parts that a cut-out drops, as in `featheredge.cutout`.
    """

    task: Literal["edges", "saliency"]
    threshold: float | None = None
    thin: bool = False
    background: Background | None = None
    subject: Subject = "all"
    min_share: float = MIN_SHARE


def renderer(look: Look, style: Style) -> Callable[[Pixels, Map], Pixels]:
    """Return the function that draws a frame.

    Args:
        look: A key of `STYLES`.
        style: The settings.

    Returns:
        A function of a frame, (H, W, 3) uint8 RGB, and its map, (H, W) float32 in [0, 1]. It
        returns (h, w, 3) uint8 RGB, or (H, W, 4) RGBA for a transparent cut-out.

    Raises:
        ArgumentError: The look or a setting is not possible.
    """
    if look not in STYLES:
        raise ArgumentError(f"the look is {look!r}; choose one of {', '.join(STYLES)}")
    if look == "cutout" and style.task != "saliency":
        raise ArgumentError("a cut-out needs the task saliency; leave out --task edges")
    if style.background is not None and style.background != "blur":
        style = _with_loaded_background(style)
    draw = STYLES[look]
    return lambda pixels, map: draw(pixels, map, style)


def shown(map: Map, style: Style) -> Map:
    """Return the map that is drawn: thinned and binarised if the style asks for it."""
    if style.thin:
        map = suppress(map)
    return map if style.threshold is None else binarise(map, style.threshold)


def _map(pixels: Pixels, map: Map, style: Style) -> Pixels:
    """White on black, value round(255 p)."""
    return np.repeat(quantise(shown(map, style))[..., None], 3, axis=2)


def _overlay(pixels: Pixels, map: Map, style: Style) -> Pixels:
    """Edges in orange over a darkened frame; or the frame, dimmed outside salient objects."""
    weight = quantise(shown(map, style))
    dark = Image.fromarray((pixels * np.float32(_DIMMED)).astype(np.uint8))
    front = (
        Image.fromarray(pixels)
        if style.task == "saliency"
        else Image.new("RGB", dark.size, _EDGE_COLOUR)
    )
    behind = dark if style.task == "saliency" else Image.blend(Image.fromarray(pixels), dark, 0.5)
    return np.asarray(Image.composite(front, behind, Image.fromarray(weight)))


def _side_by_side(pixels: Pixels, map: Map, style: Style) -> Pixels:
    """The frame on the left, its map on the right."""
    return np.hstack([pixels, _map(pixels, map, style)])


def _cutout(pixels: Pixels, map: Map, style: Style) -> Pixels:
    """The salient object on a background; a frame without an object is background only."""
    threshold = 0.5 if style.threshold is None else style.threshold
    alpha = np.zeros(map.shape, np.uint8)
    if map.max() >= threshold:
        selected = select_subject(map, threshold, subject=style.subject, min_share=style.min_share)
        alpha = quantise(soft_mask(refine(selected.map, pixels), threshold))
    layer = foreground(pixels, alpha)
    if style.background is None:
        return layer
    return over(layer, backdrop(style.background, pixels, alpha))


STYLES: Mapping[str, Callable[[Pixels, Map, Style], Pixels]] = MappingProxyType(
    {"map": _map, "overlay": _overlay, "side-by-side": _side_by_side, "cutout": _cutout}
)
"""Name -> function of a frame, its map and the settings."""


def _with_loaded_background(style: Style) -> Style:
    """Read an image background once, and check a colour before the first frame."""
    tiny = np.zeros((2, 2), np.uint8)
    assert style.background is not None
    backdrop(style.background, np.zeros((2, 2, 3), np.uint8), tiny)  # raises for a bad one
    path = style.background if isinstance(style.background, (str, Path)) else None
    return replace(style, background=load(path)) if path and Path(path).is_file() else style
