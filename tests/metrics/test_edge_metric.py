"""EdgeMetric: small cases counted by hand, and the counts of the original evaluator."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.morphology

from featheredge.datasets.bsds500 import boundaries
from featheredge.errors import EvaluationError, MissingExtraError
from featheredge.metrics.edge_metric import EdgeMetric, count_edges
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.map_files import read_prediction
from toys import strokes

SHARED = Path(__file__).parents[3] / "shared"
REFERENCE = SHARED / "reference" / "hed_bsds500"
AS_IS = EdgeProtocol(nms="none")


def test_an_annotation_scored_against_itself_is_perfect():
    mask = skimage.morphology.thin(strokes(60, 80, 0))
    metric = EdgeMetric(AS_IS)
    metric.update(mask, [mask])
    scores = metric.compute()
    assert scores.ods.f == scores.ois.f == 1
    assert (scores.counts == mask.sum()).all()


def test_counts_by_hand():
    # The diagonal is 500 px, so pixels match up to 3.75 px apart. Annotator A marks columns 10 and
    # 20, B column 10. Predicted are columns 12 (2 px from 10), 24 (4 px from 20) and, weakly, 14.
    first, second, edge_map = np.zeros((300, 400)), np.zeros((300, 400)), np.zeros((300, 400))
    first[5, [10, 20]] = second[5, 10] = 1
    edge_map[5, [12, 24]], edge_map[5, 14] = 0.9, 0.3
    counts = count_edges(edge_map, [first, second], EdgeProtocol("none", 9, 0.0075))
    assert counts[8].tolist() == [2, 3, 1, 2]  # threshold 0.9: 12 matches both, 24 none
    assert counts[0].tolist() == [2, 3, 1, 3]  # 14 is 4 px from 10 and 6 px from 20: matches none


def test_a_predicted_pixel_counts_once_however_many_annotators_match_it():
    mask = np.zeros((40, 40), bool)
    mask[20, 5:35] = True
    counts = count_edges(mask, [mask] * 5, AS_IS)
    assert (counts == [5 * 30, 5 * 30, 30, 30]).all()


def test_an_annotator_without_edges_adds_nothing():
    mask = strokes(30, 30, 1)
    empty = np.zeros_like(mask)
    assert np.array_equal(count_edges(mask, [mask, empty], AS_IS), count_edges(mask, [mask], AS_IS))


def test_metrics_of_parts_add_up_to_the_metric_of_all():
    pairs = [(strokes(40, 50, i) * 0.7, [strokes(40, 50, i + 9)]) for i in range(4)]
    whole, parts = EdgeMetric(AS_IS), [EdgeMetric(AS_IS), EdgeMetric(AS_IS)]
    for i, (edge_map, annotations) in enumerate(pairs):
        whole.update(edge_map, annotations, name=f"image {i}")
        parts[i % 2].update(edge_map, annotations, name=f"image {i}")
    merged = (parts[0] + parts[1]).compute()
    assert merged.to_dict() == whole.compute().to_dict()
    assert np.array_equal(merged.counts, whole.compute().counts)


def test_metrics_and_images_that_do_not_fit_are_refused():
    mask = strokes(20, 20, 0)
    metric = EdgeMetric(AS_IS)
    metric.update(mask, [mask], name="a")
    with pytest.raises(EvaluationError, match="'a' has already been counted"):
        metric + metric
    with pytest.raises(EvaluationError, match="cannot add metrics of different protocols"):
        metric + EdgeMetric()
    with pytest.raises(EvaluationError, match="transposed"):
        metric.update(np.zeros((20, 30)), [np.zeros((30, 20))])
    with pytest.raises(EvaluationError, match="no annotation"):
        metric.update(mask, [])


def test_float_and_8_bit_maps_agree_at_every_threshold():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mask = [np.ones((16, 16), bool)]
    assert np.array_equal(count_edges(grey, mask, AS_IS), count_edges(grey / 255, mask, AS_IS))


@pytest.mark.data
@pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"needs {REFERENCE}: HED maps and their counts")
@pytest.mark.parametrize("name", ["100007", "108004", "41085"])
def test_counts_agree_with_the_reference_evaluator(name):
    annotations = boundaries(SHARED / "data" / "bsds500" / "groundTruth" / "test" / f"{name}.mat")
    counts = count_edges(read_prediction(REFERENCE / f"{name}.png"), annotations, AS_IS)
    table = np.loadtxt(REFERENCE / "counts" / f"{name}_ev1.txt")
    assert AS_IS.levels() == pytest.approx(table[:, 0])
    expected = table[:, 1:]
    assert np.array_equal(counts[:, [1, 3]], expected[:, [1, 3]])
    # The reference matcher draws its outlier links at random: its counts vary by a few pixels.
    assert abs(counts[:, 0] - expected[:, 0]).sum() <= 0.0015 * expected[:, 0].sum()
    assert abs(counts[:, 2] - expected[:, 2]).sum() <= 0.005 * expected[:, 2].sum()


def test_importing_the_metric_imports_nothing_heavy():
    heavy = "'numba', 'scipy', 'matplotlib', 'onnxruntime'"
    code = f"import sys, featheredge.metrics; print([m for m in ({heavy}) if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_numba_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    mask = strokes(10, 10, 0)
    with pytest.raises(MissingExtraError, match=r"pip install 'featheredge\[eval\]'"):
        count_edges(mask, [mask], AS_IS)
