"""Large pictures in overlapping tiles, so that memory depends on the tile and not on the picture.

Shapes: H W pixels of the picture, h w of one tile.

Tiles start at multiples of the network's stride, so every layer samples the picture where it
would have sampled it untiled; what differs is only what a tile cannot see. That matters much at a
tile's rim and fades with the distance: three sevenths of an overlap are thrown away on either
side, and on the seventh between them the two tiles are mixed with linear ramps. The mixing weights
are a product of one vector per axis, each already divided by its sum over the tiles, so that no
map of weights is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Span:
    """One tile along one axis: pixels `start` to `stop` and the (stop - start,) weights there."""

    start: int
    stop: int
    weights: NDArray[np.float32]


def spans(length_px: int, tile_px: int, overlap_px: int, stride: int) -> list[Span]:
    """Cut an axis into tiles of equal size; their weights sum to 1 at every pixel.

    Args:
        length_px: Pixels along the axis, at least 1.
        tile_px: Most pixels in a tile; a multiple of `stride`, more than `overlap_px`.
        overlap_px: Pixels that neighbours share at least; a multiple of `stride`.
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
    """Run a network over every tile and blend what it returns.

    Args:
        image: (H, W, 3) uint8 RGB.
        infer: (h, w, 3) uint8 -> (h, w) float32 for any tile.
        rows: Spans of H.
        columns: Spans of W.

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
    """0 over the outer part of an overlap, then a linear ramp to 1 over its middle seventh."""
    discarded = overlap_px * 3 // 7
    position = (np.arange(size_px) - discarded + 0.5) / max(overlap_px - 2 * discarded, 1)
    ramp = position.clip(0, 1)
    weights = np.ones(size_px)
    if ramp_in:
        weights = np.minimum(weights, ramp)
    if ramp_out:
        weights = np.minimum(weights, ramp[::-1])
    return weights
