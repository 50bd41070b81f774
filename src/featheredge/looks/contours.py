"""Contours of an edge map: the thin map linked into polylines, and their simplification.

The thin map is reduced to a skeleton one pixel wide. Its pixels form a graph, whose paths between
ends and junctions are traced; at a junction, the two paths that continue straightest are joined.

Shapes: `H W` pixels of the map; `P` skeleton pixels; `N` points of one contour.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError
from featheredge.nms import suppress
from featheredge.skeleton import neighbour_steps, skeletonise

THRESHOLD = 0.3

#: Lines are traced through pixels of at least this share of the threshold, which closes gaps.
_WEAK = 0.5

#: At a junction, paths are joined if they turn by at most this angle.
_MAX_TURN_DEG = 50.0

#: Number of pixels from which the direction of a path at a junction is measured.
_DIRECTION_PX = 6

Path = list[int]
"""Flat indices of neighbouring pixels; a closed path ends with its first pixel."""


class Contour(NamedTuple):
    """One line of an edge map.

    Attributes:
        points: (N, 2) float32, x and y in pixels; pixel centres are at .5. A closed contour ends
            with its first point.
        strength: Mean value of the map along the line, in [0, 1].
    """

    points: NDArray[np.float32]
    strength: float

    @property
    def closed(self) -> bool:
        """Whether the line ends where it begins."""
        return bool((self.points[0] == self.points[-1]).all())

    @property
    def length_px(self) -> float:
        """Length of the line."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


def find_contours(
    map: NDArray[np.floating],
    threshold: float = THRESHOLD,
    *,
    tolerance_px: float | None = None,
    min_length_px: float | None = None,
) -> list[Contour]:
    """Link the edges of a map into smooth contours.

    Args:
        map: (H, W) floating point in [0, 1], the output of an edge network; it is thinned first.
        threshold: Mean value that the map must have along a contour, above 0 and at most 1. Weaker
            pixels, of at least half of it, close gaps.
        tolerance_px: A simplified contour is at most this far from the traced one. None is
            `default_tolerance(H, W)`; 0 keeps every point.
        min_length_px: Shorter contours are dropped. None is a fiftieth of the longer side.

    Returns:
        The contours, longest first.

    Raises:
        ArgumentError: A number is out of range.
        ImageError: The map is not two-dimensional or is empty.
    """
    height, width = map.shape[:2]
    tolerance = default_tolerance(height, width) if tolerance_px is None else tolerance_px
    shortest = max(height, width) / 50 if min_length_px is None else min_length_px
    if not (0 < threshold <= 1 and tolerance >= 0 and shortest >= 0):
        raise ArgumentError(
            f"threshold is {threshold}, tolerance_px is {tolerance} and min_length_px is "
            f"{shortest}; expected a threshold above 0 and at most 1, and lengths of 0 or more"
        )
    thin = suppress(map)
    traced = _traced(thin, _WEAK * threshold)
    found = [c for c in traced if c.strength >= threshold and c.length_px >= shortest]
    simplified = [c._replace(points=simplify(smooth(c.points), tolerance)) for c in found]
    return sorted(simplified, key=lambda contour: -contour.length_px)


def default_tolerance(height: int, width: int) -> float:
    """Return the tolerance of a picture's contours, in pixels: not visible when it fills a screen.

    It is half a pixel up to a longer side of 800 pixels, and grows with the picture beyond.
    """
    return max(max(height, width) / 1600, 0.5)


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


def _traced(thin: NDArray[np.float32], threshold: float) -> Iterator[Contour]:
    """Yield the contours of a thin map, (H, W), with a point for each pixel."""
    skeleton = np.pad(skeletonise(thin >= threshold), 1)
    row = skeleton.shape[1]
    values = np.pad(thin, 1).ravel()
    for path in _joined(_paths(_graph(skeleton)), row):
        pixels = np.array(path)
        y, x = np.divmod(pixels, row)
        points = np.stack([x, y], axis=1).astype(np.float32) - np.float32(0.5)
        yield Contour(points, float(values[pixels].mean()))


def _graph(skeleton: NDArray[np.bool_]) -> dict[int, list[int]]:
    """Return the neighbours of every skeleton pixel, by flat index.

    Diagonal neighbours that are also connected through a pixel between them are left out, so that
    a staircase is one path.
    """
    flat, steps = skeleton.ravel(), neighbour_steps(skeleton.shape[1])
    pixels = np.flatnonzero(flat)
    present = np.stack([flat[pixels + step] for step in steps], axis=1)
    for diagonal in (1, 3, 5, 7):
        present[:, diagonal] &= ~(present[:, diagonal - 1] | present[:, (diagonal + 1) % 8])
    which, direction = np.nonzero(present)
    ends = (pixels[which] + steps[direction]).tolist()
    bounds = np.searchsorted(which, np.arange(pixels.size + 1)).tolist()
    return {pixel: ends[bounds[i] : bounds[i + 1]] for i, pixel in enumerate(pixels.tolist())}


def _paths(graph: dict[int, list[int]]) -> Iterator[Path]:
    """Yield the paths between ends and junctions, then the closed paths without either."""
    nodes = [pixel for pixel, near in graph.items() if len(near) != 2]
    seen: set[tuple[int, int]] = set()
    for node in nodes:
        for following in graph[node]:
            if (node, following) not in seen:
                yield _walk(graph, node, following, seen)
    for pixel, near in graph.items():
        if len(near) == 2 and (pixel, near[0]) not in seen:
            yield _walk(graph, pixel, near[0], seen)


def _walk(
    graph: dict[int, list[int]], start: int, following: int, seen: set[tuple[int, int]]
) -> Path:
    """Follow pixels with two neighbours, and mark every step in both directions."""
    path = [start, following]
    seen.update([(start, following), (following, start)])
    while following != start and len(near := graph[following]) == 2:
        following = near[0] if near[1] == path[-2] else near[1]
        seen.update([(path[-1], following), (following, path[-1])])
        path.append(following)
    return path


def _joined(paths: Iterable[Path], row: int) -> Iterator[Path]:
    """Join paths that continue each other straight at a junction."""
    known = list(paths)
    links = _links(known, row)
    used: set[int] = set()
    starts = [end for end in _ends(known) if end not in links]
    for end in [*starts, *_ends(known)]:  # open chains from their ends, then closed ones
        if end[0] not in used:
            yield _chain(known, links, end, used)


End = tuple[int, bool]
"""The number of a path, and whether its last pixel is meant (else its first)."""


def _ends(paths: list[Path]) -> list[End]:
    return [(number, last) for number in range(len(paths)) for last in (False, True)]


def _links(paths: list[Path], row: int) -> dict[End, End]:
    """Pair the ends that meet at a pixel, straightest first."""
    meeting: dict[int, list[End]] = {}
    for number, path in enumerate(paths):
        if path[0] != path[-1]:
            meeting.setdefault(path[0], []).append((number, False))
            meeting.setdefault(path[-1], []).append((number, True))
    links: dict[End, End] = {}
    for ends in meeting.values():
        headings = [_heading(paths[number], last, row) for number, last in ends]
        turns = sorted(
            (abs(math.remainder(headings[i] - headings[j] - math.pi, 2 * math.pi)), i, j)
            for i in range(len(ends))
            for j in range(i)
        )
        for turn, i, j in turns:
            free = ends[i] not in links and ends[j] not in links
            if free and turn <= math.radians(_MAX_TURN_DEG):
                links[ends[i]], links[ends[j]] = ends[j], ends[i]
    return links


def _heading(path: Path, last: bool, row: int) -> float:
    """Return the direction from an end of a path into the path, in radians."""
    here, there = (path[-1], path[-1 - _DIRECTION_PX :][0]) if last else (
        path[0], path[: _DIRECTION_PX + 1][-1]
    )  # fmt: skip
    return math.atan2(there // row - here // row, there % row - here % row)


def _chain(paths: list[Path], links: dict[End, End], end: End, used: set[int]) -> Path:
    """Follow links from an end of a path that is free, or from any end of a closed chain."""
    chain: Path = []
    following: End | None = end
    while following is not None and following[0] not in used:
        number, last = following
        used.add(number)
        pixels = paths[number][::-1] if last else paths[number]
        chain += pixels[1:] if chain else pixels
        following = links.get((number, not last))
    return chain
