"""Compiled matching of predicted and annotated pixels at every threshold of a map.

Matching is an assignment problem on the bipartite graph of predicted and annotated pixels that lie
within the tolerance of each other. It minimises

    sum over pairs of rint(100 d)  +  penalty x (number of unmatched predicted pixels),

with d in pixels, which is the objective of the original benchmark's solver. Neighbouring thresholds
share nearly all their pixels, so the optimum of one threshold is updated to that of the next: each
pixel that appears or disappears costs one shortest augmenting path, usually a few pixels long.

numba compiles these functions on first use and stores the machine code beside this file or in the
user's cache folder. Import this module inside functions only, so that importing a package never
compiles.

Shapes: `N` cells of a padded picture, flattened; `K` offsets within the tolerance; `V` vertices:
first the pixels that are predicted at any level, then the annotated ones; `E` directed edges, two
for each pair of vertices; `L` levels, one per threshold; `P` predicted pixels of all levels
together.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FREE, ABSENT = -1, -2  # in place of a mate: an unmatched pixel, a pixel not predicted at this level
FAR = np.int64(2**62)  # distance of a vertex that a search has not reached


class Graph(NamedTuple):
    """Bipartite graph of pixels, an optimal matching, and the dual prices that prove it optimal.

    Invariants (linear programming duality): prices are >= 0; the prices of two neighbours sum to
    at least the gain of pairing them, and to exactly that gain if they are paired; the price of an
    unmatched pixel is 0.

    Attributes:
        starts: (V + 1,) where the edges of each vertex begin.
        neighbours: (E,) the vertex at the other end of each edge.
        gains: (E,) the cost that a pair saves, with its tie-breaking number.
        mates: (V,) the matched vertex, or FREE, or ABSENT.
        prices: (V,) dual prices.
        reach: (V,) buffer of a search: distances; FAR between searches.
        parents: (V,) buffer of a search: the previous vertex on the path.
        reached: (V,) buffer of a search: the vertices it has reached.
        queue: (E + 1,) buffer of a search: a binary heap of vertices.
        keys: (E + 1,) buffer of a search: the distances of the vertices in the heap.
    """

    starts: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    gains: NDArray[np.int64]
    mates: NDArray[np.int32]
    prices: NDArray[np.int64]
    reach: NDArray[np.int64]
    parents: NDArray[np.int32]
    reached: NDArray[np.int32]
    queue: NDArray[np.int32]
    keys: NDArray[np.int64]


@njit(cache=True)
def _noise(predicted: int, annotated: int, mask: int) -> int:
    """Hash a pair of cells to a pseudo-random number, the same in every run."""
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
    """Build the graph with all annotated pixels present and all predicted pixels absent.

    Args:
        predicted: Ascending flat indices of the cells that are predicted at any level.
        annotated: Ascending flat indices of the annotated cells.
        num_cells: N; every offset from a predicted cell must stay inside the padded picture.
        offsets: (K,) differences of flat indices to every cell within the tolerance.
        gains: (K,) the cost that a pair at each offset saves, before tie-breaking.
        noise_mask: 2**b - 1; a pseudo-random number of b bits is subtracted from each gain.
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
    """Add a vertex to the heap, smallest key first; return the new size of the heap."""
    i = size
    while i > 0 and keys[(i - 1) // 2] > key:
        keys[i], queue[i] = keys[(i - 1) // 2], queue[(i - 1) // 2]
        i = (i - 1) // 2
    keys[i], queue[i] = key, vertex
    return size + 1


@njit(cache=True)
def _pop(queue: NDArray[np.int32], keys: NDArray[np.int64], size: int) -> int:
    """Remove the first vertex of the heap; return the new size of the heap."""
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
    """Restore the optimum where `root` is unmatched but its price is not 0.

    Runs Dijkstra's algorithm over alternating paths from `root`, with the prices as potentials.
    The search ends at the nearest of two kinds of pixels: an unmatched pixel of the other side,
    then the path adds a pair; or a pixel of root's own side whose price drops to 0, then this
    pixel becomes unmatched (it may be `root` itself).
    """
    starts, neighbours, gains, mates = graph.starts, graph.neighbours, graph.gains, graph.mates
    prices, reach, parents = graph.prices, graph.reach, graph.parents
    best, released, gained = prices[root], root, -1
    queue, keys, reached = graph.queue, graph.keys, graph.reached
    num_reached, size = 0, _push(queue, keys, 0, root, 0)
    while size:
        distance, u = keys[0], queue[0]
        size = _pop(queue, keys, size)
        if distance >= best:
            break
        if u != root and distance > reach[mates[u]]:
            continue  # a shorter path has reached u since this entry was added
        if distance + prices[u] < best:
            best, released, gained = distance + prices[u], u, -1
        for edge in range(starts[u], starts[u + 1]):
            v = neighbours[edge]
            if mates[v] == ABSENT:
                continue
            new_distance = distance + prices[u] + prices[v] - gains[edge]
            if new_distance >= best or new_distance >= reach[v]:
                continue
            if reach[v] == FAR:
                reached[num_reached] = v
                num_reached += 1
            reach[v] = new_distance
            parents[v] = u
            if mates[v] == FREE:
                best, gained = new_distance, v
            else:
                size = _push(queue, keys, size, mates[v], new_distance)
    prices[root] -= best
    for v in reached[:num_reached]:
        if reach[v] < best:
            prices[v] += best - reach[v]
            prices[mates[v]] -= best - reach[v]
        reach[v] = FAR
    if gained < 0:
        gained = mates[released]
        mates[released] = FREE
    _flip(mates, parents, root, gained)


@njit(cache=True)
def _flip(mates: NDArray[np.int32], parents: NDArray[np.int32], root: int, end: int) -> None:
    """Swap matched and unmatched edges along the path from `root` to `end`."""
    while end >= 0:
        u = parents[end]
        former_mate = mates[u]
        mates[u] = end
        mates[end] = u
        end = former_mate if u != root else FREE


@njit(cache=True)
def _insert(graph: Graph, u: int) -> None:
    """Add a predicted pixel and restore the optimum."""
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
    """Remove a predicted pixel and restore the optimum."""
    mate = graph.mates[u]
    graph.mates[u] = ABSENT
    graph.prices[u] = 0
    if mate >= 0:
        graph.mates[mate] = FREE
        _settle(graph, mate)


@njit(cache=True)
def track(graph: Graph, pixels: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Match level after level, starting each from the optimum of the level before.

    Args:
        graph: Output of `connect`; changed in place, and left at the last level.
        pixels: (P,) vertices, ascending within each level.
        starts: (L + 1,) where each level begins in `pixels`.

    Returns:
        (P,) bool, whether each predicted pixel is matched at its level.
    """
    matched = np.zeros(pixels.size, np.bool_)
    previous = pixels[:0]
    for level in range(starts.size - 1):
        current = pixels[starts[level] : starts[level + 1]]
        i = 0
        for u in current:
            while i < previous.size and previous[i] < u:
                _remove(graph, previous[i])
                i += 1
            if i < previous.size and previous[i] == u:
                i += 1
            else:
                _insert(graph, u)
        for u in previous[i:]:
            _remove(graph, u)
        for j in range(current.size):
            matched[starts[level] + j] = graph.mates[current[j]] >= 0
        previous = current
    return matched
