"""How a frame of the output looks: one of the looks of its task, or frame and map side by side.

Shapes: `H W` pixels of the frame.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from featheredge.catalog import Task
from featheredge.compose import compose, refine_subject
from featheredge.compositing import Background, backdrop, over
from featheredge.errors import ArgumentError, NoObjectError
from featheredge.image import load
from featheredge.looks import LOOKS, draw

Pixels: TypeAlias = NDArray[np.uint8]
Map: TypeAlias = NDArray[np.float32]
Render: TypeAlias = Callable[[Pixels, Map], Pixels]
"""A frame and its map to what is shown."""

SIDE_BY_SIDE = "side-by-side"


def looks_of(task: Task) -> list[str]:
    """Return the names of the looks that a video of this task can have."""
    return [*(name for name, look in LOOKS[task].items() if look.suffix == ".png"), SIDE_BY_SIDE]


def renderer(
    task: Task,
    look: str = "map",
    *,
    threshold: float | None = None,
    background: Background | None = None,
) -> Render:
    """Return the function that draws a frame.

    Args:
        task: "edges" or "saliency".
        look: One of `looks_of(task)`.
        threshold: As in `featheredge.looks.draw`.
        background: Background of a cut-out; None is transparent.

    Returns:
        A function of a frame, (H, W, 3) uint8 RGB, and its map, (H, W) float32 in [0, 1]. It
        returns (h, w, 3) uint8 RGB, or (H, W, 4) RGBA for a transparent cut-out.

    Raises:
        ArgumentError: The task does not have the look, or the background is not possible.
        ImageError: The background cannot be read.
    """
    if look not in looks_of(task):
        raise ArgumentError(
            f"videos of {task} have no look {look!r}; choose one of {', '.join(looks_of(task))}"
        )
    if background is not None and look != "cutout":
        raise ArgumentError(f"{look} has no background; leave it out, or choose cutout")
    if look in ("cutout", "blur"):
        behind = "blur" if look == "blur" else _loaded(background)
        return lambda pixels, map: _cutout(pixels, map, threshold or 0.5, behind)
    if look == SIDE_BY_SIDE:
        return lambda pixels, map: np.hstack([pixels, _drawn(task, "map", pixels, map, threshold)])
    return lambda pixels, map: _drawn(task, look, pixels, map, threshold)


def _drawn(task: Task, look: str, pixels: Pixels, map: Map, threshold: float | None) -> Pixels:
    """Draw a look as RGB."""
    drawing = draw(task, look, pixels, map, threshold=threshold)
    assert isinstance(drawing, np.ndarray)
    return drawing if drawing.ndim == 3 else np.repeat(drawing[..., None], 3, axis=2)


def _cutout(pixels: Pixels, map: Map, threshold: float, background: Background | None) -> Pixels:
    """Put the salient object on a background; a frame without an object is background only."""
    try:
        return compose(pixels, refine_subject(pixels, map, threshold), threshold, background)
    except NoObjectError:
        nothing = np.zeros((*map.shape, 4), np.uint8)
        if background is None:
            return nothing
        return over(nothing, backdrop(background, pixels, nothing[..., 3]))


def _loaded(background: Background | None) -> Background | None:
    """Read an image background once, and check a colour before the first frame."""
    if background is None or (isinstance(background, str) and background == "blur"):
        return background
    backdrop(background, np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8))  # may raise
    if isinstance(background, (str, Path)) and Path(background).is_file():
        return load(background)
    return background
