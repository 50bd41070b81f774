"""Compiled correspondence of predicted and annotated pixels, at every threshold of a map.

Correspondence is an assignment problem on the bipartite graph of predicted and annotated pixels
that lie within the tolerance of each other. It minimises

    sum over pairs of rint(100 d)  +  penalty x (number of unmatched predicted pixels),

d in pixels, which is what the benchmark's own solver aims at. Neighbouring thresholds share nearly
all their pixels, so the optimum is carried along: a pixel that appears or vanishes costs one
shortest augmenting path from where it stands, a few pixels long as a rule.

numba compiles on first use and keeps the machine code beside this file (or in the user's cache
folder), so nothing may import this module while a package is being imported.

Shape legend: ``N`` cells of a padded picture, flattened; ``K`` offsets within the tolerance; ``V``
vertices, predicted pixels (of any level) first, then annotated ones; ``E`` edges, twice the number
of pairs; ``L`` levels (one per threshold); ``P`` predicted pixels of all levels together.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FREE, ABSENT = -1, -2  # instead of a mate: unmatched pixel, pixel that is not there now
FAR = np.int64(2**62)


class Graph(NamedTuple):
    """Bipartite graph of pixels with a matching that is optimal, and the prices that prove it.

    Invariants (linear programming duality): prices are >= 0; the prices of two neighbours sum to
    at least the gain of pairing them, and to exactly that when they are paired; an unmatched pixel
    has price 0.
    """

    starts: NDArray[np.int64]  # (V + 1,) where the edges of each vertex begin
    neighbours: NDArray[np.int32]  # (E,)
    gains: NDArray[np.int64]  # (E,) what pairing saves, tie-breaking included
    mates: NDArray[np.int32]  # (V,) the partner, or FREE, or ABSENT
    prices: NDArray[np.int64]  # (V,)
    reach: NDArray[np.int64]  # (V,) scratch of one search: distance; FAR between searches
    parents: NDArray[np.int32]  # (V,) scratch of one search: from where it was reached
    reached: NDArray[np.int32]  # (V,) scratch of one search: what it reached
    queue: NDArray[np.int32]  # (E + 1,) scratch of one search: binary heap of vertices,
    keys: NDArray[np.int64]  # (E + 1,) and their distances


@njit(cache=True)
def _noise(predicted: int, annotated: int, mask: int) -> int:
    """Pseudo-random number of a pair of cells, the same in every run."""
    x = predicted * 0x1E3779B97F4A7C15 + annotated * 0x42B2AE3D27D4EB4F
    x = (x ^ (x >> 31)) * 0x5851F42D4C957F2D
    return (x ^ (x >> 29)) & mask


@njit(cache=True)
def connect(
    predicted: NDArray[np.int32],
    annotated: NDArray[np.int32],
    num_cells: int,
    offsets: NDArray[np.int64],
    gains: NDArray[np.int64],
    noise_mask: int,
) -> Graph:
    """Build the graph, with every annotated pixel there and no predicted one yet.

    Args:
        predicted: flat indices of the cells that are predicted at any level, ascending.
        annotated: flat indices of the cells that are annotated, ascending.
        num_cells: N; no offset may lead out of the padded picture.
        offsets: (K,) steps to every cell within the tolerance, as differences of flat indices.
        gains: (K,) what a pair at that offset saves, before tie-breaking.
        noise_mask: 2**bits - 1; a pseudo-random number of so many bits is taken off each gain.
    """
    vertex_at = np.full(num_cells, -1, np.int32)
    for j in range(annotated.size):
        vertex_at[annotated[j]] = predicted.size + j
    starts = np.zeros(predicted.size + annotated.size + 1, np.int64)
    for i in range(predicted.size):
        for step in offsets:
            j = vertex_at[predicted[i] + step]
            if j >= 0:
                starts[i + 1] += 1
                starts[j + 1] += 1
    starts = np.cumsum(starts)
    filled = starts.copy()
    neighbours = np.empty(starts[-1], np.int32)
    edge_gains = np.empty(starts[-1], np.int64)
    for i in range(predicted.size):
        for k in range(offsets.size):
            cell = predicted[i] + offsets[k]
            ends = (i, np.int64(vertex_at[cell]))
            if ends[1] >= 0:
                for here in range(2):
                    edge = filled[ends[here]]
                    neighbours[edge] = ends[1 - here]
                    edge_gains[edge] = gains[k] - _noise(predicted[i], cell, noise_mask)
                    filled[ends[here]] += 1
    return _unmatched(starts, neighbours, edge_gains, predicted.size)


@njit(cache=True)
def _unmatched(
    starts: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    gains: NDArray[np.int64],
    num_predicted: int,
) -> Graph:
    num_vertices, num_edges = starts.size - 1, neighbours.size
    mates = np.full(num_vertices, ABSENT, np.int32)
    mates[num_predicted:] = FREE
    prices, reach = np.zeros(num_vertices, np.int64), np.full(num_vertices, FAR)
    parents, reached = np.empty(num_vertices, np.int32), np.empty(num_vertices, np.int32)
    queue, keys = np.empty(num_edges + 1, np.int32), np.empty(num_edges + 1, np.int64)
    return Graph(starts, neighbours, gains, mates, prices, reach, parents, reached, queue, keys)


@njit(cache=True)
def _push(
    queue: NDArray[np.int32], keys: NDArray[np.int64], size: int, vertex: int, key: int
) -> int:
    """Put a vertex into the heap, smallest key first; return the heap's new size."""
    i = size
    while i > 0 and keys[(i - 1) // 2] > key:
        keys[i], queue[i] = keys[(i - 1) // 2], queue[(i - 1) // 2]
        i = (i - 1) // 2
    keys[i], queue[i] = key, vertex
    return size + 1


@njit(cache=True)
def _pop(queue: NDArray[np.int32], keys: NDArray[np.int64], size: int) -> int:
    """Drop the first vertex of the heap; return the heap's new size."""
    size -= 1
    key, vertex, i = keys[size], queue[size], 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[i], queue[i] = keys[child], queue[child]
        i = child
    keys[i], queue[i] = key, vertex
    return size


@njit(cache=True)
def _settle(graph: Graph, root: int) -> None:
    """Restore the optimum when ``root`` is unmatched although its price is not 0.

    Dijkstra's search over alternating paths from root, with the prices as potentials. It ends at
    the nearest of: an unmatched pixel of the other side (the path gains a pair), or a pixel of
    root's side whose price runs out (it gives up its partner; this may be root itself).
    """
    starts, neighbours, gains, mates = graph.starts, graph.neighbours, graph.gains, graph.mates
    prices, reach, parents = graph.prices, graph.reach, graph.parents
    best, loser, winner = prices[root], root, -1
    queue, keys, reached = graph.queue, graph.keys, graph.reached
    num_reached, size = 0, _push(queue, keys, 0, root, 0)
    while size:
        distance, u = keys[0], queue[0]
        size = _pop(queue, keys, size)
        if distance >= best:
            break
        if u != root and distance > reach[mates[u]]:
            continue  # u was reached again, by a shorter path, since this entry was made
        if distance + prices[u] < best:
            best, loser, winner = distance + prices[u], u, -1
        for edge in range(starts[u], starts[u + 1]):
            v = neighbours[edge]
            if mates[v] == ABSENT:
                continue
            onward = distance + prices[u] + prices[v] - gains[edge]
            if onward >= best or onward >= reach[v]:
                continue
            if reach[v] == FAR:
                reached[num_reached] = v
                num_reached += 1
            reach[v] = onward
            parents[v] = u
            if mates[v] == FREE:
                best, winner = onward, v
            else:
                size = _push(queue, keys, size, mates[v], onward)
    prices[root] -= best
    for v in reached[:num_reached]:
        if reach[v] < best:
            prices[v] += best - reach[v]
            prices[mates[v]] -= best - reach[v]
        reach[v] = FAR
    if winner < 0:
        winner = mates[loser]
        mates[loser] = FREE
    _flip(mates, parents, root, winner)


@njit(cache=True)
def _flip(mates: NDArray[np.int32], parents: NDArray[np.int32], root: int, end: int) -> None:
    """Pair ``end`` with the pixel it was reached from, whose partner with its own, up to root."""
    while end >= 0:
        u = parents[end]
        following = mates[u]
        mates[u] = end
        mates[end] = u
        end = following if u != root else FREE


@njit(cache=True)
def _insert(graph: Graph, u: int) -> None:
    price = np.int64(0)
    for edge in range(graph.starts[u], graph.starts[u + 1]):
        v = graph.neighbours[edge]
        if graph.mates[v] != ABSENT:
            price = max(price, graph.gains[edge] - graph.prices[v])
    graph.mates[u] = FREE
    graph.prices[u] = price
    if price > 0:
        _settle(graph, u)


@njit(cache=True)
def _remove(graph: Graph, u: int) -> None:
    widow = graph.mates[u]
    graph.mates[u] = ABSENT
    graph.prices[u] = 0
    if widow >= 0:
        graph.mates[widow] = FREE
        _settle(graph, widow)


@njit(cache=True)
def track(graph: Graph, pixels: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Match every level in turn, each from the optimum of the one before.

    Args:
        graph: has no predicted pixel yet; is left at the last level.
        pixels: (P,) vertices, ascending within each level.
        starts: (L + 1,) where each level begins in ``pixels``.

    Returns:
        (P,) whether each predicted pixel has a partner at its level.
    """
    matched = np.zeros(pixels.size, np.bool_)
    before = pixels[:0]
    for level in range(starts.size - 1):
        now = pixels[starts[level] : starts[level + 1]]
        i = 0
        for u in now:
            while i < before.size and before[i] < u:
                _remove(graph, before[i])
                i += 1
            if i < before.size and before[i] == u:
                i += 1
            else:
                _insert(graph, u)
        for u in before[i:]:
            _remove(graph, u)
        for j in range(now.size):
            matched[starts[level] + j] = graph.mates[now[j]] >= 0
        before = now
    return matched
