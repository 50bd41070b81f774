"""Compiled thinning of masks to strokes one pixel wide, at every threshold of a map.

numba compiles on first use and keeps the machine code beside this file (or in the user's cache
folder), so nothing may import this module while a package is being imported.

Shape legend: ``N`` cells of a padded picture, flattened; ``L`` levels (one per threshold); ``P``
stroke pixels of all levels together.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def _deletable() -> NDArray[np.bool_]:
    """Which 8-neighbourhoods let a pixel be peeled off, for the two halves of an iteration.

    Bit i of the index is neighbour x_(i+1), counted anticlockwise from the east. The conditions
    are G1, G2, G3 and G3' of Lam, Lee and Suen, "Thinning methodologies" (1992), section on the
    parallel algorithm of Guo and Hall.

    Returns:
        (2, 256).
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


_DELETABLE = _deletable()


@njit(cache=True)
def _peel(
    codes: NDArray[np.uint8], alive: NDArray[np.int32], steps: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Thin until nothing changes; ``codes`` (N,) are the 8-neighbourhoods and are kept up to date.

    Returns:
        The survivors of ``alive``, in its order.
    """
    survivors = alive.copy()
    doomed = np.empty(alive.size, np.int32)
    count, before = alive.size, -1
    while count != before:
        before = count
        for half in range(2):
            kept = fallen = 0
            for i in range(count):
                pixel = survivors[i]
                if _DELETABLE[half, codes[pixel]]:
                    doomed[fallen] = pixel
                    fallen += 1
                else:
                    survivors[kept] = pixel
                    kept += 1
            for pixel in doomed[:fallen]:
                for bit in range(8):
                    codes[pixel + steps[bit]] &= ~np.uint8(1 << ((bit + 4) % 8))
            count = kept
    return survivors[:count]


@njit(cache=True)
def thin_levels(
    levels: NDArray[np.int16], num_levels: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Threshold at every level, from the highest down, and thin each mask by itself.

    Args:
        levels: (rows, columns) how many levels each pixel reaches, at most ``num_levels``; the
            outermost rows and columns must be 0.
        num_levels: L.

    Returns:
        (P,) flat indices of the stroke pixels, ascending within each level, and (L + 1,) where
        each level begins among them; the mask of level number i is ``levels >= L - i``.
    """
    row = levels.shape[1]
    flat = levels.ravel()
    candidates = np.flatnonzero(flat).astype(np.int32)
    steps = np.array([1, 1 - row, -row, -1 - row, -1, row - 1, row, row + 1])
    codes = np.zeros(flat.size, np.uint8)
    starts = np.zeros(num_levels + 1, np.int64)
    pixels = np.empty(0, np.int32)
    for i in range(num_levels):
        level = num_levels - i
        alive = candidates[flat[candidates] >= level]
        for pixel in alive:
            if flat[pixel] == level:
                for bit in range(8):
                    codes[pixel + steps[bit]] |= np.uint8(1 << ((bit + 4) % 8))
        strokes = _peel(codes.copy(), alive, steps)
        starts[i + 1] = starts[i] + strokes.size
        if starts[i + 1] > pixels.size:
            grown = np.empty(2 * starts[i + 1], np.int32)
            grown[: starts[i]] = pixels[: starts[i]]
            pixels = grown
        pixels[starts[i] : starts[i + 1]] = strokes
    return pixels[: starts[-1]], starts
