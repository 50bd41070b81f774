"""Compiled thinning of masks to strokes one pixel wide, at every threshold of a map.

numba compiles these functions on first use and stores the machine code beside this file or in the
user's cache folder. Import this module inside functions only, so that importing a package never
compiles.

Shapes: `N` cells of a padded picture, flattened; `L` levels, one per threshold; `P` stroke pixels
of all levels together.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def _deletable() -> NDArray[np.bool_]:
    """Tabulate which 8-neighbourhoods allow a pixel to be deleted, in each half of an iteration.

    Bit i of the index is neighbour x_(i+1), counted anticlockwise from the east. The conditions
    are G1, G2, G3 and G3' of Lam, Lee and Suen, "Thinning methodologies" (1992), section on the
    parallel algorithm of Guo and Hall.

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


_DELETABLE = _deletable()


@njit(cache=True)
def _delete_all(
    codes: NDArray[np.uint8], pixels: NDArray[np.int32], steps: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Delete pixels until nothing changes.

    Args:
        codes: (N,) the 8-neighbourhood of every cell; updated in place.
        pixels: Flat indices of the mask.
        steps: (8,) differences of flat indices to the neighbours.

    Returns:
        The pixels that remain, in the order of `pixels`.
    """
    remaining = pixels.copy()
    deleted = np.empty(pixels.size, np.int32)
    count, previous_count = pixels.size, -1
    while count != previous_count:
        previous_count = count
        for half in range(2):
            num_kept = num_deleted = 0
            for i in range(count):
                pixel = remaining[i]
                if _DELETABLE[half, codes[pixel]]:
                    deleted[num_deleted] = pixel
                    num_deleted += 1
                else:
                    remaining[num_kept] = pixel
                    num_kept += 1
            for pixel in deleted[:num_deleted]:
                for bit in range(8):
                    codes[pixel + steps[bit]] &= ~np.uint8(1 << ((bit + 4) % 8))
            count = num_kept
    return remaining[:count]


@njit(cache=True)
def thin_levels(
    levels: NDArray[np.int16], num_levels: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Threshold at every level, in descending order, and thin each mask separately.

    Args:
        levels: (rows, columns) int16, number of levels that each pixel reaches, 0 to `num_levels`;
            0 in the outermost rows and columns.
        num_levels: L.

    Returns:
        (P,) flat indices of the stroke pixels, ascending within each level, and (L + 1,) where
        each level begins among them. The mask of level i is `levels >= L - i`.
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
        mask_pixels = candidates[flat[candidates] >= level]
        for pixel in mask_pixels:
            if flat[pixel] == level:
                for bit in range(8):
                    codes[pixel + steps[bit]] |= np.uint8(1 << ((bit + 4) % 8))
        strokes = _delete_all(codes.copy(), mask_pixels, steps)
        starts[i + 1] = starts[i] + strokes.size
        if starts[i + 1] > pixels.size:
            larger = np.empty(2 * starts[i + 1], np.int32)
            larger[: starts[i]] = pixels[: starts[i]]
            pixels = larger
        pixels[starts[i] : starts[i + 1]] = strokes
    return pixels[: starts[-1]], starts
