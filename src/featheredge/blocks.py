"""Blocks of an image, so that work is done only where a small copy of the image asks for it.

A pixel that is interpolated between pixels of the small copy lies between their values. The
extremes of the small copy below a block are therefore bounds for all pixels of the block.

Shapes: `H W` pixels of the image; `h w` of its small copy; `R C` rows and columns of blocks.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featheredge.resize import Area

BLOCK_PX = 64


def block_extremes(
    values: NDArray[Any], shape: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest and the highest value that each block of an image can have.

    Args:
        values: (h, w), a small copy, which is enlarged bilinearly; or (H, W), the image itself.
        shape: H and W.

    Returns:
        (R, C) minima and (R, C) maxima.
    """
    rows, columns = (
        _reads(length, small) for length, small in zip(shape, values.shape, strict=True)
    )
    lowest, highest = (
        np.stack([extreme.reduce(values[first:end], axis=0) for first, end in rows])
        for extreme in (np.minimum, np.maximum)
    )
    pairs = columns.ravel()
    return (
        np.minimum.reduceat(_one_more(lowest), pairs, axis=1)[:, ::2],
        np.maximum.reduceat(_one_more(highest), pairs, axis=1)[:, ::2],
    )


def _one_more(values: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last column, so that `reduceat` can be given the end of the array."""
    return np.pad(values, ((0, 0), (0, 1)), mode="edge")


def areas(chosen: NDArray[np.bool_], shape: tuple[int, int]) -> Iterator[Area]:
    """Yield the rows and columns of chosen blocks, neighbours in a row of blocks together.

    Args:
        chosen: (R, C) bool.
        shape: H and W.
    """
    height, width = shape
    steps = np.diff(np.pad(chosen, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    for row, line in enumerate(steps):
        rows = slice(row * BLOCK_PX, min((row + 1) * BLOCK_PX, height))
        starts, stops = (np.flatnonzero(line == step) * BLOCK_PX for step in (1, -1))
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            yield rows, slice(start, min(stop, width))


def _reads(length: int, small: int) -> NDArray[np.intp]:
    """Return the first pixel of a small copy that each block reads and its last plus 1, (R, 2)."""
    starts = np.arange(0, length, BLOCK_PX)
    lasts = np.minimum(starts + BLOCK_PX, length) - 1
    if length == small:
        return np.stack([starts, lasts + 1], axis=1)
    first, last = ((ends + 0.5) * small / length - 0.5 for ends in (starts, lasts))
    reads = np.stack([np.floor(first), np.floor(last) + 2], axis=1).astype(np.intp)
    return reads.clip(0, small)
