"""int8 and OpenVINO forms run in `Session`, and only those worth having are written."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from conftest import write_network
from featheredge.deploy import convert as convert_module
from featheredge.deploy.acceptance import Comparison
from featheredge.deploy.calibration import MOST_PICTURES, load_pictures
from featheredge.deploy.convert import convert
from featheredge.deploy.quantize import quantise_file
from featheredge.errors import ArgumentError, WeightsError
from featheredge.session import Session
from featheredge.timing import Timing


def write_two_convolutions(path: Path, radius_px: int = 0) -> Path:
    """Write the toy network with a second convolution, which changes nothing."""
    model = onnx.load(write_network(path, radius_px=radius_px))
    one = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.float32), "one")
    model.graph.initializer.append(one)
    model.graph.node.insert(
        len(model.graph.node) - 1, helper.make_node("Conv", ["mean", "one"], ["again"])
    )
    model.graph.node[-1].input[0] = "again"
    onnx.save(model, path)
    return path


@pytest.fixture
def weights(tmp_path):
    return write_two_convolutions(tmp_path / "weights.onnx")


def compared(share: float, mean: float = 0.0, **scores: object) -> Comparison:
    timing = Timing(1.0, 1.5, 3, 0.1)
    return Comparison("int8", timing, timing, share, mean, 0.5, **scores)  # type: ignore[arg-type]


@pytest.fixture
def photos(tmp_path, noise):
    (tmp_path / "photos").mkdir()
    for i in range(8):
        Image.fromarray(noise(40, 56, i)).save(tmp_path / f"photos/{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def always_faster(monkeypatch):
    """Take every form as faster: a toy network takes microseconds."""
    real = convert_module.compare
    fast = {"share_of_time": 0.5}

    def compare(*arguments, **options):
        return Comparison(**{**vars(real(*arguments, **options)), **fast})

    monkeypatch.setattr(convert_module, "compare", compare)


def test_int8_weights_run_like_any_others(tmp_path, photos, noise):
    network = write_two_convolutions(tmp_path / "blur.onnx", radius_px=2)
    pictures = load_pictures(photos, Session(network))
    quantise_file(network, pictures.calibration, tmp_path / "int8.onnx")
    model = onnx.load(tmp_path / "int8.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert "QuantizeLinear" in {node.op_type for node in model.graph.node}
    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}
    (stored,) = (p.value for p in model.metadata_props if p.key == "featheredge")
    assert json.loads(stored)["precision"] == "int8"
    int8, exact = Session(tmp_path / "int8.onnx"), Session(network)
    assert (int8.name, int8.stride) == (exact.name, exact.stride)
    for size in [(40, 56), (33, 17)]:
        difference = np.abs(int8(noise(*size, 99)) - exact(noise(*size, 99)))
        assert 0 < difference.max() < 3 / 255  # a few steps of 8 bits


def test_pictures_are_held_out_from_calibration(toy_onnx, photos, tmp_path, noise):
    session = Session(toy_onnx)
    calibration, held_out = load_pictures(photos, session)
    assert (len(calibration), len(held_out)) == (6, 2)
    shown = [picture.tobytes() for picture in calibration]
    assert not any(picture.tobytes() in shown for picture in held_out)
    assert all(side % session.stride == 0 for p in calibration for side in p.shape[:2])
    examples = load_pictures(None, session)
    assert len(examples.calibration) == len(examples.held_out) == 2
    many = tmp_path / "many"
    many.mkdir()
    for i in range(MOST_PICTURES + 7):
        Image.fromarray(noise(8, 8, i)).save(many / f"{i}.png")
    assert sum(map(len, load_pictures(many, session))) == MOST_PICTURES
    with pytest.raises(ArgumentError, match="no images in this folder"):
        load_pictures(tmp_path / "none", session)


@pytest.mark.parametrize(
    ("comparison", "reason"),
    [
        (compared(1.2), "it is not faster"),
        (compared(0.5, 0.03), r"loses 0\.0300 \(mean map difference\).*at most 0\.01"),
        (
            compared(0.5, 0.0, measure="ODS", score=0.7, reference_score=0.75),
            r"loses 0\.0500 \(ODS\).*ODS 0\.7000, fp32 0\.7500",
        ),
        (compared(0.5, float("nan")), "loses nan"),
    ],
)
def test_a_form_that_is_not_worth_having_is_refused_with_its_figures(comparison, reason):
    with pytest.raises(WeightsError, match=reason) as caught:
        comparison.refuse_unless_better(0.01)
    assert "of the time of fp32 (median 1.5 ms" in str(caught.value)


def test_a_score_counts_instead_of_the_difference_of_maps():
    gained = compared(0.5, 0.2, measure="ODS", score=0.76, reference_score=0.75)
    gained.refuse_unless_better(0.0)
    assert gained.loss == pytest.approx(-0.01)


@pytest.mark.parametrize(
    ("target", "name"), [("int8", "out.onnx"), ("openvino", "out.xml"), ("openvino-int8", "o.xml")]
)
def test_a_faster_form_is_written(always_faster, weights, tmp_path, photos, noise, target, name):
    for module in {"int8": (), "openvino": ("openvino",)}.get(target, ("openvino", "nncf")):
        pytest.importorskip(module, reason="the extra openvino is not installed")
    comparison = convert(
        weights, tmp_path / name, target, calibrate=photos, max_loss=0.02, rounds=1
    )
    assert comparison.loss < 0.02
    provider = "cpu" if target == "int8" else "openvino"
    session = Session(tmp_path / name, provider=provider)
    np.testing.assert_allclose(session(noise(16, 24)), Session(weights)(noise(16, 24)), atol=0.05)


def test_nothing_is_written_if_it_is_refused(always_faster, weights, tmp_path, photos):
    output = tmp_path / "out/int8.onnx"
    with pytest.raises(WeightsError, match="nothing is written"):
        convert(weights, output, "int8", calibrate=photos, max_loss=0.0, rounds=1)
    assert not output.parent.exists()


@pytest.mark.parametrize(
    ("target", "output", "precision", "message"),
    [
        ("int8", "a.xml", "fp32", r"give an output \*\.onnx"),
        ("openvino", "a.onnx", "fp32", r"give an output \*\.xml"),
        ("int8", "a.onnx", "bf16", "leave --precision out"),
    ],
)
def test_combinations_that_do_not_exist(toy_onnx, target, output, precision, message):
    with pytest.raises(ArgumentError, match=message):
        convert(toy_onnx, Path(output), target, precision=precision)


def test_one_convolution_is_not_enough_for_int8(toy_onnx, tmp_path, noise):
    with pytest.raises(WeightsError, match="has 1 convolutions; int8 needs at least two"):
        quantise_file(toy_onnx, [noise(16, 24)], tmp_path / "int8.onnx")
