"""The compiled kernels against slow oracles: scikit-image thins, scipy solves the whole graph."""

import numpy as np
import pytest
import skimage.morphology
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching, min_weight_full_bipartite_matching

from featheredge.metrics import kernels
from featheredge.metrics.correspond import pixel_graph, thin


def random_mask(kind: str, height: int, width: int, seed: int) -> np.ndarray:
    """Noise, solid blobs or wobbly lines: the shapes that thinning and matching meet."""
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


@settings(deadline=None)  # the first call compiles
@given(masks)
def test_thin_equals_scikit_image_bit_for_bit(mask):
    assert np.array_equal(thin(mask), skimage.morphology.thin(mask))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_every_level_is_thinned_by_itself(seed, num_levels):
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random((20, 26)), 1.5)
    levels = np.digitize(smooth, np.quantile(smooth, np.linspace(0.3, 0.95, num_levels)))
    padded = np.pad(levels, 3).astype(np.int16)
    pixels, starts = kernels.thin_levels(padded, num_levels)
    for i in range(num_levels):
        found = np.zeros(padded.shape, bool)
        found.flat[pixels[starts[i] : starts[i + 1]]] = True
        expected = skimage.morphology.thin(padded >= num_levels - i)
        assert np.array_equal(found, expected)
        assert (np.diff(pixels[starts[i] : starts[i + 1]]) > 0).all()


def whole_graph(predicted, annotated, max_dist_px):
    """Every pair within reach, from all pairwise distances: indices and integer costs."""
    left, right = np.argwhere(predicted), np.argwhere(annotated)
    squared = ((left[:, None] - right[None]) ** 2).sum(-1)
    i, j = np.nonzero(squared <= max_dist_px**2)
    return len(left), len(right), i, j, np.rint(100 * np.sqrt(squared[i, j])).astype(int)


def oracle_cost(predicted, annotated, max_dist_px):
    """Least total cost when every unmatched predicted pixel costs 100 times the tolerance."""
    num_left, num_right, i, j, costs = whole_graph(predicted, annotated, max_dist_px)
    penalty = int(np.ceil(100 * 100 * max_dist_px))
    own = np.arange(num_left)  # a private stand-in for every predicted pixel
    rows, columns = np.concatenate([i, own]), np.concatenate([j, num_right + own])
    weights = np.concatenate([costs, np.full(num_left, penalty)]) + 1  # zeros would be no edges
    graph = coo_array((weights, (rows, columns)), shape=(num_left, num_right + num_left)).tocsr()
    chosen = min_weight_full_bipartite_matching(graph)
    return int(graph[chosen].sum()) - num_left


def oracle_cardinality(predicted, annotated, max_dist_px):
    num_left, num_right, i, j, _ = whole_graph(predicted, annotated, max_dist_px)
    graph = csr_array((np.ones(len(i)), (i, j)), shape=(num_left, num_right))
    return int((maximum_bipartite_matching(graph) >= 0).sum())


def track(predictions, annotated, max_dist_px):
    """Run the kernel over masks in turn: matched flags per mask, and the graph it leaves."""
    margin = max(1, int(max_dist_px))
    padded = [np.flatnonzero(np.pad(mask, margin)) for mask in predictions]
    starts = np.cumsum([0] + [len(pixels) for pixels in padded])
    graph = pixel_graph(np.pad(annotated, margin), max_dist_px)
    matched = kernels.track(graph, np.concatenate(padded).astype(np.int32), starts)
    return np.split(matched, starts[1:-1]), graph


def cost_of(graph, width, max_dist_px):
    """Total cost of the matching that a graph holds, from the pixels' coordinates."""
    pixels = np.flatnonzero(graph.mates[kernels.PREDICTED] != kernels.ABSENT)
    mates = graph.mates[kernels.PREDICTED][pixels]
    paired = mates >= 0
    row = width + 2 * max(1, int(max_dist_px))
    dy = pixels[paired] // row - mates[paired] // row
    dx = pixels[paired] % row - mates[paired] % row
    assert (dy**2 + dx**2 <= max_dist_px**2).all()
    back = graph.mates[kernels.ANNOTATED][mates[paired]]
    assert np.array_equal(back, pixels[paired])
    unmatched = int((~paired).sum()) * int(np.ceil(100 * 100 * max_dist_px))
    return int(np.rint(100 * np.hypot(dy, dx)).astype(int).sum()) + unmatched


kinds = st.sampled_from(["noise", "blobs", "lines"])
tolerances = st.sampled_from([0.5, 1.0, 1.5, 2.3, 3.0, 4.34])


@settings(max_examples=150, deadline=None)
@given(kinds, kinds, st.integers(1, 22), st.integers(2, 22), tolerances, st.integers(0, 2**32 - 1))
def test_matching_costs_what_the_solver_of_the_whole_graph_costs(
    kind, other_kind, height, width, max_dist_px, seed
):
    predicted = random_mask(kind, height, width, seed)
    annotated = random_mask(other_kind, height, width, seed + 1)
    (matched,), graph = track([predicted], annotated, max_dist_px)
    assert matched.sum() == oracle_cardinality(predicted, annotated, max_dist_px)
    if predicted.any():
        expected = oracle_cost(predicted, annotated, max_dist_px)
        assert cost_of(graph, width, max_dist_px) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(kinds, min_size=2, max_size=6), tolerances, st.integers(0, 2**32 - 1))
def test_levels_carried_along_equal_levels_solved_alone(kinds_in_turn, max_dist_px, seed):
    annotated = random_mask("lines", 20, 24, seed)
    predictions = [random_mask(kind, 20, 24, seed + i) for i, kind in enumerate(kinds_in_turn)]
    carried, graph = track(predictions, annotated, max_dist_px)
    for prediction, flags in zip(predictions, carried, strict=True):
        (alone,), _ = track([prediction], annotated, max_dist_px)
        assert np.array_equal(flags, alone)
    assert cost_of(graph, 24, max_dist_px) == (
        oracle_cost(predictions[-1], annotated, max_dist_px) if predictions[-1].any() else 0
    )


def test_prices_prove_the_matching_optimal():
    predictions = [random_mask("blobs", 30, 30, seed) for seed in range(5)]
    _, graph = track(predictions, random_mask("lines", 30, 30, 9), 4.34)
    mates, prices = graph.mates, graph.prices
    assert (prices >= 0).all()
    assert (prices[mates < 0] == 0).all()
    for u in np.flatnonzero(mates[kernels.PREDICTED] != kernels.ABSENT):
        for k, step in enumerate(graph.offsets):
            v = u + step
            if mates[kernels.ANNOTATED, v] != kernels.ABSENT:
                gain = kernels._gain(graph, kernels.PREDICTED, u, k)
                total = prices[0, u] + prices[1, v]
                assert total >= gain
                assert total == gain or mates[kernels.PREDICTED, u] != v


@pytest.mark.parametrize("length", [5, 60])
def test_a_long_contour_shifts_by_one_pixel_to_match_its_end(length):
    # Prediction and annotation coincide but for one end pixel each: all pairs move along by one.
    predicted = np.zeros((3, length + 1), bool)
    annotated = predicted.copy()
    predicted[1, :-1] = annotated[1, 1:] = True
    (matched,), graph = track([predicted], annotated, 1.0)
    assert matched.all()
    assert cost_of(graph, length + 1, 1.0) == 100 * length


def test_a_pair_is_not_worth_a_shift_that_costs_more_than_the_penalty():
    # 150 pixels would have to move by one pixel (15,000) to save one penalty of 10,000.
    predicted = np.zeros((3, 151), bool)
    annotated = predicted.copy()
    predicted[1, :-1] = annotated[1, 1:] = True
    (matched,), graph = track([predicted], annotated, 1.0)
    assert matched.sum() == 149
    assert cost_of(graph, 151, 1.0) == oracle_cost(predicted, annotated, 1.0) == 10_000
