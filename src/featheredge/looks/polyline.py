"""Polylines: smoothing and simplification.

Shapes: `N` points, each x and y.
"""

import numpy as np
from numpy.typing import NDArray


def smooth(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove the staircase of the pixel grid: four passes of [1 2 1] / 4 along the line.

    Args:
        points: (N, 2) float32. The ends of an open line stay in place.
    """
    closed = len(points) > 3 and bool((points[0] == points[-1]).all())
    for _ in range(4):
        before = np.roll(points[:-1], 1, axis=0) if closed else points[:-2]
        here, after = (points[:-1], points[1:]) if closed else (points[1:-1], points[2:])
        middle = (before + 2 * here + after) / np.float32(4)
        ends = (middle, middle[:1]) if closed else (points[:1], middle, points[-1:])
        points = np.concatenate(ends)
    return points


def simplify(points: NDArray[np.float32], tolerance_px: float) -> NDArray[np.float32]:
    """Remove points that a line does not need, by the algorithm of Douglas and Peucker (1973).

    Args:
        points: (N, 2) float32.
        tolerance_px: Removed points are at most this far from the simplified line.

    Returns:
        The points that are kept, with both ends.
    """
    keep = np.zeros(len(points), np.bool_)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        distances = _distances(points[first + 1 : last], points[first], points[last])
        farthest = int(distances.argmax())
        if distances[farthest] > tolerance_px:
            middle = first + 1 + farthest
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return points[keep]


def _distances(
    points: NDArray[np.float32], start: NDArray[np.float32], end: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the distance of every point to the line segment from `start` to `end`."""
    along = end - start
    squared = float(along @ along)
    offset = points - start
    share = np.clip(offset @ along / squared, 0, 1) if squared else np.zeros(len(points))
    return np.asarray(np.hypot(*(offset - share[:, None] * along).T), np.float32)
