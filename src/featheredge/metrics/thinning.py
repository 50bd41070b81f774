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

from featheredge.skeleton import deletable

_DELETABLE = deletable()


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
