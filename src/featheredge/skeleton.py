"""Skeletons: a mask thinned to strokes one pixel wide, in NumPy.

The rule is the parallel algorithm of Guo and Hall, from Lam, Lee and Suen, "Thinning
methodologies" (1992). `metrics.thinning` applies the same rule, compiled, to many masks at once.

Shapes: `H W` pixels of the mask.
"""

import numpy as np
from numpy.typing import NDArray


def deletable() -> NDArray[np.bool_]:
    """Tabulate which 8-neighbourhoods allow a pixel to be deleted, in each half of an iteration.

    Bit i of the index is neighbour x_(i+1), counted anticlockwise from the east. The conditions
    are G1, G2, G3 and G3' of Lam, Lee and Suen, section on the parallel algorithm of Guo and Hall.

    Returns:
        (2, 256) bool.
    """
    table = np.zeros((2, 256), np.bool_)
    for code in range(256):
        x = [bool(code >> i & 1) for i in range(8)]
        crossings = sum(not x[i] and (x[i + 1] or x[(i + 2) % 8]) for i in range(0, 8, 2))
        pairs_from_odd = sum(x[i] or x[i + 1] for i in range(0, 8, 2))
        pairs_from_even = sum(x[i + 1] or x[(i + 2) % 8] for i in range(0, 8, 2))
        simple = crossings == 1 and min(pairs_from_odd, pairs_from_even) in (2, 3)
        table[0, code] = simple and not ((x[1] or x[2] or not x[7]) and x[0])
        table[1, code] = simple and not ((x[5] or x[6] or not x[3]) and x[4])
    return table


def neighbour_steps(row: int) -> NDArray[np.int64]:
    """Return (8,) differences of flat indices to the neighbours, anticlockwise from the east.

    Args:
        row: Length of a row of the flattened array.
    """
    return np.array([1, 1 - row, -row, -1 - row, -1, row - 1, row, row + 1])


def skeletonise(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin a mask until its strokes are one pixel wide; connected parts stay connected.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool, a subset of the mask.
    """
    padded = np.pad(mask, 1)
    flat, steps, table = padded.ravel(), neighbour_steps(padded.shape[1]), deletable()
    remaining = np.flatnonzero(flat)
    previous_count = -1
    while remaining.size != previous_count:
        previous_count = remaining.size
        for half in range(2):
            codes = np.zeros(remaining.size, np.uint8)
            for bit, step in enumerate(steps):
                codes |= flat[remaining + step].astype(np.uint8) << np.uint8(bit)
            deleted = table[half, codes]
            flat[remaining[deleted]] = False
            remaining = remaining[~deleted]
    return padded[1:-1, 1:-1]
