"""Thinning and matching against slow references: scikit-image thins, scipy solves the graph."""

from typing import NamedTuple

import numpy as np
import pytest
import skimage.morphology
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching, min_weight_full_bipartite_matching

from featheredge.metrics.edge_counts import pixel_graph, thin
from featheredge.metrics.matching import ABSENT, Graph, track
from featheredge.metrics.thinning import thin_levels


def random_mask(kind: str, height: int, width: int, seed: int) -> np.ndarray:
    """Noise, solid blobs or uneven lines."""
    rng = np.random.default_rng(seed)
    if kind == "noise":
        return rng.random((height, width)) < rng.random()
    if kind == "blobs":
        smooth = gaussian_filter(rng.normal(size=(height, width)), 2)
        return smooth > np.quantile(smooth, 0.5 + 0.5 * rng.random())
    mask = np.zeros((height, width), bool)
    for _ in range(rng.integers(1, 4)):
        rows = np.cumsum(rng.integers(-1, 2, width)) + rng.integers(height)
        mask[np.clip(rows, 0, height - 1), np.arange(width)] = True
    return mask


masks = st.builds(
    random_mask,
    st.sampled_from(["noise", "blobs", "lines"]),
    st.integers(1, 28),
    st.integers(1, 28),
    st.integers(0, 2**32 - 1),
)


@given(masks)
def test_thin_equals_scikit_image_bit_for_bit(mask):
    assert np.array_equal(thin(mask), skimage.morphology.thin(mask))


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_every_level_is_thinned_separately(seed, num_levels):
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random((20, 26)), 1.5)
    levels = np.digitize(smooth, np.quantile(smooth, np.linspace(0.3, 0.95, num_levels)))
    padded = np.pad(levels, 3).astype(np.int16)
    pixels, starts = thin_levels(padded, num_levels)
    for i in range(num_levels):
        found = np.zeros(padded.shape, bool)
        found.flat[pixels[starts[i] : starts[i + 1]]] = True
        expected = skimage.morphology.thin(padded >= num_levels - i)
        assert np.array_equal(found, expected)
        assert (np.diff(pixels[starts[i] : starts[i + 1]]) > 0).all()


def whole_graph(predicted, annotated, max_dist_px):
    """Indices and integer costs of all pairs within the tolerance."""
    left, right = np.argwhere(predicted), np.argwhere(annotated)
    squared = ((left[:, None] - right[None]) ** 2).sum(-1)
    i, j = np.nonzero(squared <= max_dist_px**2)
    return len(left), len(right), i, j, np.rint(100 * np.sqrt(squared[i, j])).astype(int)


def oracle_cost(predicted, annotated, max_dist_px):
    """The least total cost, where an unmatched predicted pixel costs 100 times the tolerance."""
    num_left, num_right, i, j, costs = whole_graph(predicted, annotated, max_dist_px)
    penalty = int(np.ceil(100 * 100 * max_dist_px))
    dummies = np.arange(num_left)  # a dummy partner for every predicted pixel
    rows, columns = np.concatenate([i, dummies]), np.concatenate([j, num_right + dummies])
    weights = (
        np.concatenate([costs, np.full(num_left, penalty)]) + 1
    )  # a weight of 0 would be no edge
    graph = coo_array((weights, (rows, columns)), shape=(num_left, num_right + num_left)).tocsr()
    chosen = min_weight_full_bipartite_matching(graph)
    return int(graph[chosen].sum()) - num_left


def oracle_cardinality(predicted, annotated, max_dist_px):
    num_left, num_right, i, j, _ = whole_graph(predicted, annotated, max_dist_px)
    graph = csr_array((np.ones(len(i)), (i, j)), shape=(num_left, num_right))
    return int((maximum_bipartite_matching(graph) >= 0).sum())


class Tracked(NamedTuple):
    """Matchings of a sequence of masks."""

    matched: list[np.ndarray]  # per mask, one flag for each of its pixels
    graph: Graph  # after the last mask
    cells: np.ndarray  # (V, 2) row and column of every vertex
    num_predicted: int

    def cost(self, max_dist_px):
        """Total cost of the last matching, from the coordinates of its pixels."""
        mates = self.graph.mates[: self.num_predicted]
        here = np.flatnonzero(mates >= 0)
        steps = self.cells[here] - self.cells[mates[here]]
        assert ((steps**2).sum(1) <= max_dist_px**2).all()
        assert np.array_equal(self.graph.mates[mates[here]], here)
        unmatched = int(((mates != ABSENT) & (mates < 0)).sum())
        pairs = int(np.rint(100 * np.hypot(*steps.T)).astype(int).sum())
        return pairs + unmatched * int(np.ceil(100 * 100 * max_dist_px))


def track_masks(predictions, annotated, max_dist_px):
    padded = [np.pad(mask, 4) for mask in [*predictions, annotated]]
    ever = np.flatnonzero(np.any(padded[:-1], axis=0)).astype(np.int32)
    levels = [np.searchsorted(ever, np.flatnonzero(mask)) for mask in padded[:-1]]
    starts = np.cumsum([0] + [len(pixels) for pixels in levels])
    graph = pixel_graph(ever, padded[-1], max_dist_px)
    matched = track(graph, np.concatenate(levels).astype(np.int32), starts)
    cells = np.concatenate([ever, np.flatnonzero(padded[-1])])
    cells = np.column_stack(np.unravel_index(cells, padded[-1].shape))
    return Tracked(np.split(matched, starts[1:-1]), graph, cells, len(ever))


kinds = st.sampled_from(["noise", "blobs", "lines"])
tolerances = st.sampled_from([0.5, 1.0, 1.5, 2.3, 3.0, 4.34])


@settings(max_examples=150)
@given(kinds, kinds, st.integers(1, 22), st.integers(2, 22), tolerances, st.integers(0, 2**32 - 1))
def test_matching_costs_as_much_as_the_optimum_of_scipy(
    kind, other_kind, height, width, max_dist_px, seed
):
    predicted = random_mask(kind, height, width, seed)
    annotated = random_mask(other_kind, height, width, seed + 1)
    tracked = track_masks([predicted], annotated, max_dist_px)
    assert tracked.matched[0].sum() == oracle_cardinality(predicted, annotated, max_dist_px)
    if predicted.any():
        expected = oracle_cost(predicted, annotated, max_dist_px)
        assert tracked.cost(max_dist_px) == expected


@settings(max_examples=60)
@given(st.lists(kinds, min_size=2, max_size=6), tolerances, st.integers(0, 2**32 - 1))
def test_updated_levels_equal_levels_solved_from_scratch(kinds_in_turn, max_dist_px, seed):
    annotated = random_mask("lines", 20, 24, seed)
    predictions = [random_mask(kind, 20, 24, seed + i) for i, kind in enumerate(kinds_in_turn)]
    tracked = track_masks(predictions, annotated, max_dist_px)
    for prediction, flags in zip(predictions, tracked.matched, strict=True):
        alone = track_masks([prediction], annotated, max_dist_px)
        assert np.array_equal(flags, alone.matched[0])
    assert tracked.cost(max_dist_px) == (
        oracle_cost(predictions[-1], annotated, max_dist_px) if predictions[-1].any() else 0
    )


def test_prices_prove_the_matching_optimal():
    rng = np.random.default_rng(0)
    predictions = [rng.random((30, 30)) < 0.2 for _ in range(5)]
    tracked = track_masks(predictions, random_mask("lines", 30, 30, 9), 4.34)
    mates, prices = tracked.graph.mates, tracked.graph.prices
    assert (prices >= 0).all()
    assert (prices[mates < 0] == 0).all()
    assert (mates >= 0).sum() > 50
    for u in np.flatnonzero(mates != ABSENT):
        for edge in range(*tracked.graph.starts[u : u + 2]):
            v = tracked.graph.neighbours[edge]
            if mates[v] != ABSENT:
                spare = prices[u] + prices[v] - tracked.graph.gains[edge]
                assert spare >= 0
                assert spare == 0 or mates[u] != v


@pytest.mark.parametrize("length", [5, 60])
def test_a_long_contour_shifts_by_one_pixel_to_match_its_end(length):
    # Prediction and annotation differ in one end pixel each: all pairs shift by one pixel.
    predicted = np.zeros((3, length + 1), bool)
    annotated = predicted.copy()
    predicted[1, :-1] = annotated[1, 1:] = True
    tracked = track_masks([predicted], annotated, 1.0)
    assert tracked.matched[0].all()
    assert tracked.cost(1.0) == 100 * length


def test_a_shift_that_costs_more_than_the_penalty_is_not_made():
    # 150 pixels would shift by one pixel each, a cost of 15,000, to save one penalty of 10,000.
    predicted = np.zeros((3, 151), bool)
    annotated = predicted.copy()
    predicted[1, :-1] = annotated[1, 1:] = True
    tracked = track_masks([predicted], annotated, 1.0)
    assert tracked.matched[0].sum() == 149
    assert tracked.cost(1.0) == oracle_cost(predicted, annotated, 1.0) == 10_000
