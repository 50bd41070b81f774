"""Compiled loops over the pixels of one saliency map: histograms, nearest mask pixels, smoothing.

numba compiles these functions on first use and stores the machine code beside this file or in the
user's cache folder. Import this module inside functions only, so that importing a package never
compiles.

Shapes: `H W` pixels; `L` the 256 levels of an 8-bit map; `K` taps of a smoothing kernel, an odd
number; `D` squared distances, from 0.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def quadrant_histograms(levels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count levels inside and outside the mask, in the four quadrants around its centroid.

    The top left quadrant includes the centroid: it has round(mean row) + 1 rows and
    round(mean column) + 1 columns, where halves round to the even number.

    Args:
        levels: (H, W) uint8.
        mask: (H, W) bool.

    Returns:
        (4, 2, L) int64: top left, top right, bottom left, bottom right; outside, inside.
    """
    height, width = mask.shape
    num_salient = row_sum = column_sum = 0
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                num_salient += 1
                row_sum += y
                column_sum += x
    num_rows = num_columns = 0
    if num_salient:
        num_rows = int(np.rint(row_sum / num_salient)) + 1
        num_columns = int(np.rint(column_sum / num_salient)) + 1
    histograms = np.zeros((4, 2, 256), np.int64)
    for y in range(height):
        part = 2 * (y >= num_rows)
        for x in range(width):
            histograms[part + (x >= num_columns), np.int64(mask[y, x]), levels[y, x]] += 1
    return histograms


@njit(cache=True)
def _nearest_rows(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Find the row of the nearest mask pixel in the same column.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W), the upper row of two equally near ones; -1 in columns without a mask pixel.
    """
    height, width = mask.shape
    rows = np.full((height, width), -1, np.int32)
    below = np.full(width, -1, np.int32)
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                rows[y, x] = y
            elif y > 0:
                rows[y, x] = rows[y - 1, x]
    for y in range(height - 1, -1, -1):
        for x in range(width):
            if mask[y, x]:
                below[x] = y
            elif below[x] >= 0 and (rows[y, x] < 0 or below[x] - y < y - rows[y, x]):
                rows[y, x] = below[x]
    return rows


@njit(cache=True)
def _nearest_columns(
    gaps_sq: NDArray[np.int64],
    columns: NDArray[np.int64],
    sites: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> None:
    """Find the column of the nearest mask pixel for every pixel of one row.

    This is the lower envelope of parabolas in the second phase of Meijster, Roerdink and
    Hesselink, "A general algorithm for computing distance transforms in linear time" (2000).

    Args:
        gaps_sq: (W,) squared distance to the nearest mask pixel in each column, -1 for none.
        columns: (W,) output; the left column of two equally near ones.
        sites: (W,) buffer: columns that are the nearest somewhere in the row.
        starts: (W,) buffer: where the span of each of them begins.
    """
    last = -1
    for column in range(gaps_sq.size):
        gap_sq = gaps_sq[column]
        if gap_sq < 0:
            continue
        start = 0
        while last >= 0:
            site, begin = sites[last], starts[last]
            if (begin - site) ** 2 + gaps_sq[site] <= (begin - column) ** 2 + gap_sq:
                ahead = column**2 - site**2 + gap_sq - gaps_sq[site]
                start = 1 + ahead // (2 * (column - site))
                break
            last -= 1
        if start < gaps_sq.size:
            last += 1
            sites[last], starts[last] = column, start
    for x in range(gaps_sq.size - 1, -1, -1):
        while starts[last] > x:
            last -= 1
        columns[x] = sites[last]


@njit(cache=True)
def spread_errors(
    levels: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    errors: NDArray[np.float64],
    weights: NDArray[np.float64],
    reach: int,
) -> tuple[NDArray[np.float64], float]:
    """Copy errors to pixels outside the mask, each from its nearest pixel inside.

    Of several nearest pixels the leftmost is used, then the uppermost, as scipy does.

    Args:
        levels: (H, W) uint8.
        mask: (H, W) bool, not empty.
        errors: (2, L) error of each level outside and inside the mask.
        weights: (D,) weight of an error outside, by its squared distance to the mask; the last
            entry also holds for larger distances.
        reach: Number of rows and columns around the mask to which errors are copied.

    Returns:
        (H + 2 reach, W + 2 reach): the errors, with a border of zeros, and 0 farther away than
        `reach`; and the weighted sum of the errors outside the mask.
    """
    height, width = mask.shape
    rows = _nearest_rows(mask)
    spread = np.zeros((height + 2 * reach, width + 2 * reach))
    gaps_sq, columns = np.empty(width, np.int64), np.empty(width, np.int64)
    sites, starts = np.empty(width, np.int64), np.empty(width, np.int64)
    outside = 0.0
    for y in range(height):
        for x in range(width):
            gaps_sq[x] = np.int64(rows[y, x] - y) ** 2 if rows[y, x] >= 0 else -1
        _nearest_columns(gaps_sq, columns, sites, starts)
        for x in range(width):
            column = columns[x]
            distance_sq = (x - column) ** 2 + gaps_sq[column]
            if distance_sq <= 2 * reach**2:
                spread[y + reach, x + reach] = errors[1, levels[rows[y, column], column]]
            if not mask[y, x] and errors[0, levels[y, x]] > 0:
                outside += errors[0, levels[y, x]] * weights[min(distance_sq, weights.size - 1)]
    return spread, outside


@njit(cache=True)
def smooth(padded: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve with the symmetric separable kernel `taps x taps`.

    Args:
        padded: (H + K - 1, W + K - 1) float64.
        taps: (K,) float64.

    Returns:
        (H, W) float64.
    """
    height, width = padded.shape[0] - taps.size + 1, padded.shape[1] - taps.size + 1
    across = np.zeros((padded.shape[0], width))
    for y in range(padded.shape[0]):
        for i in range(taps.size):
            for x in range(width):
                across[y, x] += taps[i] * padded[y, x + i]
    smoothed = np.zeros((height, width))
    for y in range(height):
        for i in range(taps.size):
            for x in range(width):
                smoothed[y, x] += taps[i] * across[y + i, x]
    return smoothed


@njit(cache=True)
def sum_inside(
    levels: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    errors: NDArray[np.float64],
    limit: NDArray[np.float64],
) -> float:
    """Sum the errors inside the mask, each limited to a maximum of its pixel.

    Args:
        levels: (H, W) uint8.
        mask: (H, W) bool.
        errors: (L,) error of each level inside the mask.
        limit: (H, W) the largest error that counts at each pixel.
    """
    total = 0.0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                total += min(errors[levels[y, x]], limit[y, x])
    return total
