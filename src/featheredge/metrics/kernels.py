"""Compiled kernels of the edge benchmark: thinning, and pixel correspondence at every threshold.

numba compiles them on first use and keeps the machine code beside this file (or in the user's
cache folder), so nothing may import this module while a package is being imported.

Correspondence is an assignment problem on the bipartite graph of predicted and annotated pixels
that lie at most ``max_dist_px`` apart. It minimises

    sum over pairs of rint(100 d)  +  penalty x (number of unmatched predicted pixels),

d in pixels, which is what the benchmark's own solver aims at. Neighbouring thresholds share nearly
all their pixels, so the optimum is carried along: a pixel that appears or vanishes costs one
shortest augmenting path from where it stands, a few pixels long as a rule.

Shape legend: ``H W`` pixels; ``N`` cells of the padded grid, flattened; ``K`` offsets within reach;
``L`` levels (one per threshold); ``P`` predicted pixels of all levels together.
"""

import heapq
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

PREDICTED, ANNOTATED = 0, 1  # the two sides of the graph
FREE, ABSENT = -1, -2  # instead of a mate: unmatched pixel, no pixel
FAR = np.int64(2**62)


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


class Graph(NamedTuple):
    """Bipartite pixel graph with a matching that is optimal, and the prices that prove it.

    Invariants (linear programming duality): prices are >= 0; the prices of two neighbours sum to
    at least the gain of matching them, and to exactly that when they are matched; an unmatched
    pixel has price 0.
    """

    offsets: NDArray[np.int64]  # (K,) steps on the flat grid to every pixel within reach
    gains: NDArray[np.int64]  # (K,) what matching at that offset saves, before tie-breaking
    noise_mask: int  # 2**bits - 1: range of the tie-breaking part of a gain
    mates: NDArray[np.int32]  # (2, N) flat index of the partner, or FREE, or ABSENT
    prices: NDArray[np.int64]  # (2, N)
    reach: NDArray[np.int64]  # (N,) scratch of one search: distance, FAR between searches
    parents: NDArray[np.int32]  # (N,) scratch of one search: by which pixel it was reached


@njit(cache=True)
def _noise(predicted: int, annotated: int, mask: int) -> int:
    """Pseudo-random number of a pair, the same in every run: breaks ties between equal costs."""
    x = predicted * 0x1E3779B97F4A7C15 + annotated * 0x42B2AE3D27D4EB4F
    x = (x ^ (x >> 31)) * 0x5851F42D4C957F2D
    return (x ^ (x >> 29)) & mask


@njit(cache=True)
def _gain(graph: Graph, side: int, u: int, k: int) -> int:
    """Gain of pairing ``u`` of this side with the pixel at offset ``k`` from it."""
    v = u + graph.offsets[k]
    predicted, annotated = (u, v) if side == PREDICTED else (v, u)
    gain: int = graph.gains[k] - _noise(predicted, annotated, graph.noise_mask)
    return gain


@njit(cache=True)
def _settle(graph: Graph, side: int, root: int) -> None:
    """Restore the optimum when ``root`` is unmatched although its price is not 0.

    Dijkstra's search over alternating paths from root, with the prices as potentials. It ends at
    the nearest of: an unmatched pixel of the other side (the path gains a pair), or a pixel of
    root's side whose price runs out (it gives up its partner; this may be root itself).
    """
    mates, others = graph.mates[side], graph.mates[1 - side]
    prices, other_prices = graph.prices[side], graph.prices[1 - side]
    reach, parents = graph.reach, graph.parents
    best, loser, winner = prices[root], root, -1
    reached = [root]
    heap = [(np.int64(0), root)]
    while heap:
        distance, u = heapq.heappop(heap)
        if distance >= best:
            break
        if u != root and distance > reach[mates[u]]:
            continue
        if distance + prices[u] < best:
            best, loser, winner = distance + prices[u], u, -1
        for k in range(graph.offsets.size):
            v = u + graph.offsets[k]
            if others[v] == ABSENT:
                continue
            onward = distance + prices[u] + other_prices[v] - _gain(graph, side, u, k)
            if onward >= best or onward >= reach[v]:
                continue
            if reach[v] == FAR:
                reached.append(v)
            reach[v] = onward
            parents[v] = u
            if others[v] == FREE:
                best, winner = onward, v
            else:
                heapq.heappush(heap, (onward, others[v]))
    prices[root] -= best
    for v in reached[1:]:
        if reach[v] < best:
            other_prices[v] += best - reach[v]
            prices[others[v]] -= best - reach[v]
        reach[v] = FAR
    if winner == -1:
        if loser == root:
            return
        winner = mates[loser]
        mates[loser] = FREE
    while True:
        u = parents[winner]
        following = mates[u]
        mates[u] = winner
        others[winner] = u
        if u == root:
            return
        winner = following


@njit(cache=True)
def _insert(graph: Graph, side: int, u: int) -> None:
    price = np.int64(0)
    for k in range(graph.offsets.size):
        v = u + graph.offsets[k]
        if graph.mates[1 - side, v] != ABSENT:
            price = max(price, _gain(graph, side, u, k) - graph.prices[1 - side, v])
    graph.mates[side, u] = FREE
    graph.prices[side, u] = price
    if price > 0:
        _settle(graph, side, u)


@njit(cache=True)
def _remove(graph: Graph, side: int, u: int) -> None:
    widow = graph.mates[side, u]
    graph.mates[side, u] = ABSENT
    graph.prices[side, u] = 0
    if widow != FREE:
        graph.mates[1 - side, widow] = FREE
        _settle(graph, 1 - side, widow)


@njit(cache=True)
def track(graph: Graph, pixels: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Match every level in turn, each from the optimum of the one before.

    Args:
        graph: holds the annotated pixels only; is left at the last level.
        pixels: (P,) flat grid indices, ascending within each level.
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
                _remove(graph, PREDICTED, before[i])
                i += 1
            if i < before.size and before[i] == u:
                i += 1
            else:
                _insert(graph, PREDICTED, u)
        for u in before[i:]:
            _remove(graph, PREDICTED, u)
        for j in range(now.size):
            matched[starts[level] + j] = graph.mates[PREDICTED, now[j]] >= 0
        before = now
    return matched
