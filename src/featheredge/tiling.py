"""Inference in overlapping tiles, so that memory depends on the tile size, not the image size.

Shapes: `H W` pixels of the image; `h w` of one tile.

Tiles start at multiples of the network's stride, so that every layer samples the same positions
as without tiles. Outputs differ only because a tile cannot see pixels outside itself. This error
is largest at a tile's border and decreases with the distance from it. Each tile therefore discards
the outer three sevenths of an overlap, and the middle seventh is blended with linear ramps. The
blending weights are the product of one vector per axis. Each vector is normalised over the tiles,
so that no 2-D weight map is stored.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Span:
    """One tile along one axis.

    Attributes:
        start: First pixel.
        stop: Last pixel plus 1.
        weights: (stop - start,) float32, blending weights.
    """

    start: int
    stop: int
    weights: NDArray[np.float32]


def spans(length_px: int, tile_px: int, overlap_px: int, stride: int) -> list[Span]:
    """Split an axis into tiles of equal size, with weights that sum to 1 at every pixel.

    Args:
        length_px: Length of the axis, at least 1.
        tile_px: Maximum length of a tile; a multiple of `stride`, more than `overlap_px`.
        overlap_px: Minimum overlap of neighbouring tiles; a multiple of `stride`.
        stride: Tiles start at multiples of this.
    """
    if length_px <= tile_px:
        return [Span(0, length_px, np.ones(length_px, np.float32))]
    padded = round_up(length_px, stride)
    count = -(-(padded - overlap_px) // (tile_px - overlap_px))
    size = round_up(-(-(padded + (count - 1) * overlap_px) // count), stride)
    starts = [min(i * (size - overlap_px), padded - size) for i in range(count)]
    weights = np.zeros((count, padded))
    for i, start in enumerate(starts):
        weights[i, start : start + size] = _trapezoid(size, overlap_px, i > 0, i < count - 1)
    weights /= weights.sum(axis=0)
    stops = [min(start + size, length_px) for start in starts]
    return [
        Span(start, stop, row[start:stop].astype(np.float32))
        for start, stop, row in zip(starts, stops, weights, strict=True)
    ]


def run_tiled(
    image: NDArray[np.uint8],
    infer: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    rows: list[Span],
    columns: list[Span],
) -> NDArray[np.float32]:
    """Run a network on every tile and blend the outputs.

    Args:
        image: (H, W, 3) uint8 RGB.
        infer: Maps any tile, (h, w, 3) uint8, to (h, w) float32.
        rows: Tiles along H.
        columns: Tiles along W.

    Returns:
        (H, W) float32.
    """
    blended = np.zeros(image.shape[:2], np.float32)
    for row in rows:
        for column in columns:
            area = slice(row.start, row.stop), slice(column.start, column.stop)
            blended[area] += infer(image[area]) * column.weights * row.weights[:, None]
    return blended


def round_up(value: int, step: int) -> int:
    """Return the smallest multiple of `step` that is at least `value`."""
    return -(-value // step) * step


def _trapezoid(size_px: int, overlap_px: int, ramp_in: bool, ramp_out: bool) -> NDArray[np.float64]:
    """Return weights: 0 on the discarded part of an overlap, a ramp to 1 on its middle seventh."""
    discarded = overlap_px * 3 // 7
    position = (np.arange(size_px) - discarded + 0.5) / max(overlap_px - 2 * discarded, 1)
    ramp = position.clip(0, 1)
    weights = np.ones(size_px)
    if ramp_in:
        weights = np.minimum(weights, ramp)
    if ramp_out:
        weights = np.minimum(weights, ramp[::-1])
    return weights
