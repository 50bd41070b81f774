"""Linking: the pixels of a skeleton in order, line by line.

The pixels form a graph, whose paths between ends and junctions are traced. At a junction, the two
paths that continue each other straightest are joined, then the next two.

Shapes: `H W` pixels of the skeleton.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from featheredge.skeleton import neighbour_steps

#: At a junction, paths are joined if they turn by at most this angle.
_MAX_TURN_DEG = 50.0

#: Two lines that cross share a few pixels of their skeleton. Such a path between two junctions, of
#: at most this many pixels, makes them one junction.
_BRIDGE_PX = 7

#: Number of pixels from which the direction of a path at a junction is measured.
_DIRECTION_PX = 6

Path = list[int]
"""Flat indices of neighbouring pixels; a closed path ends with its first pixel."""


def linked_pixels(skeleton: NDArray[np.bool_]) -> Iterator[Path]:
    """Yield the lines of a skeleton.

    Args:
        skeleton: (H, W) bool, lines one pixel wide; False in the outermost rows and columns.

    Yields:
        The flat indices of the pixels of a line, in order. A closed line ends with its first
        pixel. Where lines cross, up to `_BRIDGE_PX` pixels between two pixels can be missing.
    """
    return _joined(_paths(_graph(skeleton)), skeleton.shape[1])


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
    known, junctions = _bridged(list(paths))
    links = _links(known, junctions, row)
    used: set[int] = set()
    starts = [end for end in _ends(known) if end not in links]
    for end in [*starts, *_ends(known)]:  # open chains from their ends, then closed ones
        if end[0] not in used:
            yield _chain(known, links, end, used)


End = tuple[int, bool]
"""The number of a path, and whether its last pixel is meant (else its first)."""


def _ends(paths: list[Path]) -> list[End]:
    return [(number, last) for number in range(len(paths)) for last in (False, True)]


def _bridged(paths: list[Path]) -> tuple[list[Path], dict[int, int]]:
    """Return the paths without bridges, and for each end of a bridge the junction it belongs to."""
    meeting = Counter(end for path in paths for end in (path[0], path[-1]))
    kept: list[Path] = []
    junctions: dict[int, int] = {}
    for path in paths:
        first, last = (junctions.get(end, end) for end in (path[0], path[-1]))
        if first == last or len(path) > _BRIDGE_PX or min(meeting[first], meeting[last]) < 3:
            kept.append(path)
        else:
            merged = {end: first for end, to in junctions.items() if to == last}
            junctions.update(merged | {first: first, last: first})
    return kept, junctions


def _links(paths: list[Path], junctions: dict[int, int], row: int) -> dict[End, End]:
    """Pair the ends that meet at a junction, straightest first."""
    meeting: dict[int, list[End]] = {}
    for number, path in enumerate(paths):
        if path[0] != path[-1]:
            for last, pixel in ((False, path[0]), (True, path[-1])):
                meeting.setdefault(junctions.get(pixel, pixel), []).append((number, last))
    links: dict[End, End] = {}
    for ends in meeting.values():
        headings = [_heading(paths[number], last, row) for number, last in ends]
        angles = sorted(
            (abs(math.remainder(headings[i] - headings[j] - math.pi, 2 * math.pi)), i, j)
            for i in range(len(ends))
            for j in range(i)
        )
        for angle, i, j in angles:
            free = ends[i] not in links and ends[j] not in links
            if free and angle <= math.radians(_MAX_TURN_DEG):
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
        chain += pixels[1:] if chain[-1:] == pixels[:1] else pixels
        following = links.get((number, not last))
    return chain
