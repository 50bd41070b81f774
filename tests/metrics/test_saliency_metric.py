"""SaliencyMetric against PySODMetrics, against slow definitions, and in cases computed by hand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import convolve, distance_transform_edt

from featheredge.errors import EvaluationError, MissingExtraError
from featheredge.metrics.saliency_metric import SaliencyMetric, count_saliency
from featheredge.metrics.saliency_protocol import SaliencyProtocol

REFERENCE = json.loads(Path(__file__).with_name("pysod_reference.json").read_text("utf-8"))
PYSOD, SALMETRIC = SaliencyProtocol("pysod"), SaliencyProtocol("salmetric")
EPS = np.finfo(float).eps


def pixels(case: dict) -> tuple[np.ndarray, np.ndarray]:
    """Map and mask of a stored case."""
    map, mask = (
        np.frombuffer(bytes.fromhex(case[key]), np.uint8).reshape(case["shape"])
        for key in ("map", "mask")
    )
    return map, mask


def score(pairs, protocol=PYSOD):
    metric = SaliencyMetric(protocol)
    for number, (map, mask) in enumerate(pairs):
        metric.update(map, mask, name=f"{number:02}")
    return metric.compute()


def assert_equals_reference(scores, expected):
    found = scores.to_dict()
    for key in set(expected) - {"curves"}:
        assert found[key] == pytest.approx(expected[key], abs=1e-9), key
    for key, curve in expected["curves"].items():
        ours = getattr(scores, key)[:: REFERENCE["curve_step"]]
        assert ours == pytest.approx(curve, abs=1e-9), key


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda case: case["name"])
def test_one_image_equals_pysodmetrics(case):
    assert_equals_reference(score([pixels(case)]), case["scores"])


def test_a_set_of_images_equals_pysodmetrics():
    assert_equals_reference(score(map(pixels, REFERENCE["cases"])), REFERENCE["together"])


@st.composite
def map_and_mask(draw):
    """Small maps with few or many levels, and masks from empty to full."""
    shape = draw(st.tuples(st.integers(1, 11), st.integers(1, 11)))
    levels = draw(st.sampled_from([(0, 255), (100, 101, 103), tuple(range(256))]))
    map = draw(arrays.arrays(np.uint8, shape, elements=st.sampled_from(levels)))
    mask = draw(arrays.arrays(np.bool_, shape, fill=st.booleans()))
    return map, mask


def values_of(map: np.ndarray, protocol: SaliencyProtocol) -> np.ndarray:
    values = map / 255
    if not protocol.stretches or map.min() == map.max():
        return values
    return (values - values.min()) / (values.max() - values.min())


@given(map_and_mask(), st.sampled_from([PYSOD, SALMETRIC]))
def test_weighted_f_equals_its_definition(pair, protocol):
    map, mask = pair
    found = count_saliency(map, mask, protocol).weighted_f
    assert found == pytest.approx(slow_weighted_f(values_of(map, protocol), mask), abs=1e-9)


def slow_weighted_f(values, mask):
    if not mask.any():
        return 0
    distance, (rows, columns) = distance_transform_edt(~mask, return_indices=True)
    error = abs(values - mask)
    offset = np.arange(-3, 4)
    kernel = np.exp(-(offset[:, None] ** 2 + offset**2) / 50)
    smoothed = convolve(error[rows, columns], kernel / kernel.sum(), mode="constant")
    error = np.where(mask, np.minimum(error, smoothed), error)
    weighted = error * np.where(mask, 1, 2 - 0.5 ** (distance / 5))
    hits = mask.sum() - weighted[mask].sum()
    recall, precision = hits / mask.sum(), hits / (hits + weighted[~mask].sum() + EPS)
    return 2 * recall * precision / (recall + precision + EPS)


def test_weighted_f_far_from_the_mask_and_between_two_parts_of_it():
    mask = np.zeros((9, 700), bool)
    mask[[2, 6, 4, 4], [3, 3, 40, 660]] = True
    map = np.random.default_rng(3).integers(0, 256, mask.shape, np.uint8)
    found = count_saliency(map, mask, PYSOD).weighted_f
    assert found == pytest.approx(slow_weighted_f(values_of(map, PYSOD), mask), abs=1e-9)


@given(map_and_mask(), st.sampled_from([PYSOD, SALMETRIC]))
def test_s_measure_equals_its_definition(pair, protocol):
    map, mask = pair
    found = count_saliency(map, mask, protocol).s_measure
    assert found == pytest.approx(slow_s_measure(values_of(map, protocol), mask), abs=1e-9)


def slow_s_measure(values, mask):
    if mask.all() or not mask.any():
        return values.mean() if mask.any() else 1 - values.mean()
    objects = mask.mean() * object_score(values[mask])
    objects += (1 - mask.mean()) * object_score(1 - values[~mask])
    row, column = (round(float(np.mean(where))) + 1 for where in np.nonzero(mask))
    parts = [np.s_[:row, :column], np.s_[:row, column:], np.s_[row:, :column], np.s_[row:, column:]]
    regions = sum(
        mask[part].size / mask.size * similarity(values[part], mask[part])
        for part in parts
        if mask[part].size
    )
    return max(0, (objects + regions) / 2)


def object_score(values):
    spread = values.std(ddof=1) if values.size > 1 else 0
    return 2 * values.mean() / (values.mean() ** 2 + 1 + spread + EPS)


def similarity(values, mask):
    flat = [(array == array.flat[0]).all() for array in (values, mask)]
    if any(flat):  # exact: the mean may be rounded
        return int(all(flat))
    a, b = values - values.mean(), mask - mask.mean()
    below = values.size - 1
    num = 4 * values.mean() * mask.mean() * (a * b).sum() / below
    scale = (values.mean() ** 2 + mask.mean() ** 2) * ((a**2).sum() + (b**2).sum()) / below
    return num / (scale + EPS)


@given(map_and_mask(), st.sampled_from([PYSOD, SALMETRIC]))
def test_curves_equal_counts_of_single_pixels(pair, protocol):
    map, mask = pair
    scores = score([pair], protocol)
    bins = map if protocol == SALMETRIC else (values_of(map, protocol) * 255).astype(np.uint8)
    for threshold in range(0, 256, 17):
        predicted = bins > threshold if protocol == SALMETRIC else bins >= threshold
        precision, recall, f, e = slow_point(predicted, mask, protocol)
        assert scores.precision[threshold] == pytest.approx(precision, abs=1e-9)
        assert scores.recall[threshold] == pytest.approx(recall, abs=1e-9)
        assert scores.f[threshold] == pytest.approx(f, abs=1e-9)
        assert scores.e[threshold] == pytest.approx(e, abs=1e-9)
    assert scores.mae == pytest.approx(abs(values_of(map, protocol) - mask).mean(), abs=1e-9)


def slow_point(predicted, mask, protocol):
    hits = (predicted & mask).sum()
    if protocol == SALMETRIC:
        precision, recall = ((hits + 1e-4) / (m.sum() + 1e-4) for m in (predicted, mask))
    else:
        precision, recall = (hits / max(m.sum(), 1) for m in (predicted, mask))
    f = 1.3 * precision * recall / (0.3 * precision + recall) if precision + recall else 0
    a, b = predicted - predicted.mean(), mask - mask.mean()
    alignment = (2 * a * b / (a**2 + b**2 + EPS) + 1) ** 2 / 4
    if mask.all() or not mask.any():
        alignment = predicted == mask
    return precision, recall, f, alignment.sum() / max(mask.size - 1, 1)


def test_the_adaptive_threshold_is_twice_the_mean_and_at_most_one():
    # The mean is 1/4 of the range, so the threshold is 1/2; a value of exactly 1/2 is predicted.
    map = np.array([[0, 0, 0, 0, 50, 100, 0, 50]], np.uint8)
    assert count_saliency(map, map > 50, PYSOD).predicted[-1].tolist() == [1, 3]
    bright = np.array([[200, 255, 255, 255]], np.uint8)
    assert count_saliency(bright, bright > 0, SALMETRIC).predicted[-1].tolist() == [3, 3]


def test_salmetric_averages_rates_before_f_and_does_not_stretch_maps():
    mask = np.zeros((2, 50), bool)
    mask[:, :25] = True
    good, poor = mask * np.uint8(100), np.full((2, 50), 100, np.uint8)
    scores = score([(good, mask), (poor, mask)], SALMETRIC)
    assert scores.precision[99] == pytest.approx((1 + 0.5) / 2, abs=1e-5)
    assert scores.f[99] == pytest.approx(1.3 * 0.75 / (0.3 * 0.75 + 1), abs=1e-5)
    assert scores.f[100] == pytest.approx(1.3 * 1e-4 / 50 / 0.3, rel=0.9)  # nothing is predicted
    stretched = score([(good, mask)], PYSOD)
    assert stretched.mae == 0
    assert scores.mae == pytest.approx((155 / 255 / 2 + 0.5) / 2)


def test_salmetric_measures_mae_against_the_grey_mask():
    map = np.array([[0, 100, 200, 255]], np.uint8)
    assert count_saliency(map, map, SALMETRIC).mae == 0
    assert count_saliency(map, map, PYSOD).mae == pytest.approx((100 + 55) / 255 / 4)


def test_a_quadrant_without_pixels_adds_nothing():
    # The centroid of this mask is in the last row, so the quadrants below it are empty.
    mask = np.zeros((4, 6), bool)
    mask[3, 2] = True
    assert count_saliency(mask, mask, PYSOD).s_measure == pytest.approx(1)


def test_float_and_bool_maps_are_scored_as_saved_8_bit_maps():
    rng = np.random.default_rng(0)
    map, mask = rng.integers(0, 256, (8, 9), np.uint8), rng.random((8, 9)) < 0.4
    for same in (map / 255, (map / 255).astype(np.float32), np.asfortranarray(map)):
        assert score([(same, mask)]).to_dict() == score([(map, mask)]).to_dict()
    assert score([(mask, mask)]).to_dict() == score([(mask * 1.0, mask)]).to_dict()
    in_grey = np.where(mask, 128, 127).astype(np.uint8)
    assert score([(map, in_grey)]).to_dict() == score([(map, mask)]).to_dict()


def test_maps_of_another_size_are_resized_and_counted():
    mask = np.zeros((40, 60), bool)
    mask[11:29, 21:40] = True
    scores = score([(mask[::2, ::2], mask), (mask, mask)])
    assert scores.num_resized == 1
    assert 0.95 < scores.to_dict()["max_f"] < 1
    assert "2 images, 1 map resized to its mask" in str(scores)


def test_metrics_of_parts_add_up_to_the_metric_of_all():
    pairs = [pixels(case) for case in REFERENCE["cases"]]
    parts = [SaliencyMetric(), SaliencyMetric()]
    for i, (map, mask) in enumerate(pairs):
        parts[i % 2].update(map, mask, name=f"{i:02}")
    merged = (parts[0] + parts[1]).compute()
    assert merged.to_dict() == score(pairs).to_dict()
    assert merged.num_images == len(pairs)


def test_the_table_names_the_protocol():
    text = str(score([pixels(REFERENCE["cases"][0])]))
    assert "Protocol pysod: every map stretched" in text
    assert "1 image" in text
    assert "Protocol salmetric: maps not stretched" in str(
        score([pixels(REFERENCE["cases"][0])], SALMETRIC)
    )


def test_maps_and_masks_that_cannot_be_scored_are_refused():
    map, mask = np.zeros((4, 6), np.uint8), np.zeros((4, 6), bool)
    metric = SaliencyMetric()
    for bad_map, bad_mask, message in [
        (map.T, mask, "transposed"),
        (map + 2.0, mask, r"expected \[0, 1\]"),
        (map * np.nan, mask, "only NaN"),
        (map[None], mask, r"the map has shape \(1, 4, 6\)"),
        (map, mask[0], r"the mask has shape \(6,\); expected \(H, W\)"),
        (map, mask * 1.0, "the mask has dtype float64"),
        (map, np.ones((4, 6), np.uint8), r"highest value is 1,.*multiply a mask of 0 and 1 by 255"),
    ]:
        with pytest.raises(EvaluationError, match=message):
            metric.update(bad_map, bad_mask)
    with pytest.raises(EvaluationError, match="no image has been counted"):
        metric.compute()
    metric.update(map, mask, name="a")
    with pytest.raises(EvaluationError, match="'a' has already been counted"):
        metric + metric
    with pytest.raises(EvaluationError, match="pysod / salmetric"):
        metric + SaliencyMetric(SALMETRIC)
    with pytest.raises(
        EvaluationError, match="unknown protocol 'matlab'; choose one of pysod, salmetric"
    ):
        SaliencyProtocol("matlab")


def test_importing_the_metric_imports_nothing_heavy():
    heavy = "'numba', 'scipy', 'matplotlib', 'onnxruntime'"
    code = (
        "import sys, featheredge.metrics.saliency_metric; "
        f"print([m for m in ({heavy}) if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_numba_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'featheredge\[eval\]'"):
        count_saliency(np.zeros((3, 3)), np.zeros((3, 3), bool), PYSOD)
