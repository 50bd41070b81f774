"""Edge scores against the rules of the benchmark, written as plain loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featheredge.errors import EvaluationError
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.edge_scores import average_precision, best_point, rates, score_edges
from featheredge.metrics.map_values import unit_values


def falling_counts(num_images, num_thresholds, seed):
    """Random counts with fewer predicted pixels at every higher threshold, as maps have."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((num_images, num_thresholds, 4), np.int64)
    counts[..., 1] = rng.integers(1, 500, (num_images, 1))
    for column, whole in ((3, 900), (0, counts[..., 1])):
        share = -np.sort(-rng.random((num_images, num_thresholds)), axis=1)
        counts[..., column] = share * whole
    counts[..., 2] = counts[..., 3] * rng.random((num_images, num_thresholds))
    return counts


cases = st.builds(falling_counts, st.integers(1, 4), st.integers(2, 7), st.integers(0, 2**32 - 1))


def f(recall, precision):
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def named(counts, protocol):
    return score_edges(counts, tuple(f"{i:03}" for i in range(len(counts))), protocol)


@given(cases)
def test_ods_and_ois_equal_the_loops_of_the_benchmark(counts):
    num_thresholds = counts.shape[1]
    scores = named(counts, EdgeProtocol(num_thresholds=num_thresholds))
    total = counts.sum(0)
    r, p = total[:, 0] / np.maximum(1, total[:, 1]), total[:, 2] / np.maximum(1, total[:, 3])
    best = 0.0
    for j in range(1, num_thresholds):
        for d in np.linspace(0, 1, 100):
            best = max(best, f(r[j] * d + r[j - 1] * (1 - d), p[j] * d + p[j - 1] * (1 - d)))
    assert scores.ods.f == pytest.approx(best, abs=1e-12)
    assert f(scores.ods.recall, scores.ods.precision) == pytest.approx(best, abs=1e-12)
    chosen = np.zeros(4, int)
    for image in counts:
        values = [f(a / max(b, 1), c / max(d, 1)) for a, b, c, d in image]
        chosen += image[int(np.argmax(values))]
    assert scores.ois.f == pytest.approx(f(chosen[0] / chosen[1], chosen[2] / max(1, chosen[3])))


@given(cases)
def test_ap_equals_point_by_point_interpolation(counts):
    recall, precision = rates(counts.sum(0))
    by_recall = {}
    for r, p in zip(recall, precision, strict=True):
        by_recall.setdefault(r, p)  # of equal recalls the first counts
    known = sorted(by_recall.items())
    area = 0.0
    for at in np.linspace(0, 1, 101):
        for (r0, p0), (r1, p1) in itertools.pairwise(known):
            if r0 <= at <= r1:
                area += p0 + (p1 - p0) * (at - r0) / (r1 - r0)
                break
    assert average_precision(recall, precision) == pytest.approx(area / 100, abs=1e-9)


def test_a_perfect_curve_has_an_ap_of_1_01_as_in_the_benchmark():
    assert average_precision(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(1.01)


def test_r50_is_the_recall_where_precision_is_one_half():
    # Precision 0.25, 0.75 at recalls 0.8, 0.4; the last threshold predicts nothing and is no point.
    counts = np.array([[[80, 100, 50, 200], [40, 100, 75, 100], [0, 100, 0, 0]]])
    assert named(counts, EdgeProtocol(num_thresholds=3)).r50 == pytest.approx(0.6)


def test_r50_where_precision_never_falls_to_one_half():
    counts = np.array([[[80, 100, 60, 100], [40, 100, 75, 100]]])
    assert named(counts, EdgeProtocol(num_thresholds=2)).r50 == pytest.approx(0.8)


def test_ods_lies_between_thresholds_where_that_is_better():
    point = best_point(np.array([0.2, 0.8]), np.array([1.0, 0.5]), np.array([0.5, 1.0]))
    assert point.f == pytest.approx(0.75, abs=1e-4)
    assert point.threshold == pytest.approx(0.5, abs=0.004)


def test_printed_scores_come_with_their_protocol():
    scores = named(falling_counts(2, 99, 0), EdgeProtocol(nms="rcf", max_dist=0.011))
    text = str(scores)
    for part in ("NMS rcf", "99 thresholds", "0.011", "2 images", "ODS", "OIS", "AP", "R50"):
        assert part in text
    found = scores.to_dict()
    assert found["num_images"] == 2
    assert found["protocol"]["nms"] == "rcf"
    assert found["ods"].keys() == {"f", "precision", "recall", "threshold"}
    assert found["ois"].keys() == {"f", "precision", "recall"}


def test_nothing_to_score_is_an_error():
    with pytest.raises(EvaluationError, match="nothing to score"):
        score_edges(np.zeros((0, 99, 4), np.int64), (), EdgeProtocol())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nms": "canny"}, "unknown NMS variant 'canny'; choose one of hed, rcf, none"),
        ({"num_thresholds": 0}, "num_thresholds = 0; give a number from 1 to 10000"),
        ({"max_dist": 4.3}, r"max_dist = 4\.3; give a share of the picture's diagonal"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(EvaluationError, match=message):
        EdgeProtocol(**settings)


def test_thresholds_are_hundredths():
    assert EdgeProtocol().levels() == pytest.approx(np.arange(1, 100) / 100, abs=1e-15)


def test_suppressed_maps_are_rounded_to_8_bits_and_others_are_not_changed():
    values = np.random.default_rng(0).random((20, 20))
    assert np.array_equal(EdgeProtocol(nms="none").prepare(values), values)
    steps = EdgeProtocol().prepare(values) * 255
    assert steps == pytest.approx(np.rint(steps), abs=1e-9)
    assert np.array_equal(EdgeProtocol(nms="none").prepare(np.array([[51]], np.uint8)), [[0.2]])


@pytest.mark.parametrize(
    ("edge_map", "message"),
    [
        (np.full((3, 3), np.nan), "only NaN"),
        (np.array([[0.5, np.nan]]), "1 NaN"),
        (np.array([[0.0, 3.5]]), r"from 0 to 3.5.*sigmoid"),
        (np.array([[-0.1, 0.5]]), r"from -0.1"),
        (np.zeros((2, 2), np.int64), "dtype int64; expected uint8"),
        (np.zeros((2, 2, 3)), r"shape \(2, 2, 3\)"),
    ],
)
def test_maps_outside_0_to_1_are_refused(edge_map, message):
    with pytest.raises(EvaluationError, match=message):
        unit_values(edge_map)
