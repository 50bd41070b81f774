"""The interface of controlnet_aux 0.0.10's edge detectors."""

import inspect
import shutil

import numpy as np
import pytest
from PIL import Image

from featheredge.compat import FeatherEdgeDetector
from featheredge.errors import ArgumentError, UnknownModelError, WeightsError
from featheredge.resize import resize
from featheredge.session import Session

#: Those of `PidiNetDetector`, with their defaults.
LOAD = {"filename": None, "cache_dir": None, "local_files_only": False}
CALL = {
    "detect_resolution": 512,
    "image_resolution": 512,
    "safe": False,
    "output_type": "pil",
    "scribble": False,
    "apply_filter": False,
}


@pytest.fixture
def detector(toy_onnx) -> FeatherEdgeDetector:
    return FeatherEdgeDetector(Session(toy_onnx))


def test_the_signatures_are_the_documented_ones():
    call = inspect.signature(FeatherEdgeDetector.__call__).parameters
    assert list(call) == ["self", "input_image", *CALL, "kwargs"]
    assert {name: call[name].default for name in CALL} == CALL
    load = inspect.signature(FeatherEdgeDetector.from_pretrained).parameters
    assert list(load) == ["pretrained_model_or_path", *LOAD]
    assert {name: load[name].default for name in LOAD} == LOAD


def test_the_shorter_side_gets_the_resolution(detector, noise):
    picture = Image.fromarray(noise(60, 90))
    result = detector(picture, detect_resolution=64, image_resolution=128, output_type="pil")
    assert result.size == (192, 128)
    assert result.mode == "RGB"
    array = detector(picture, detect_resolution=64, image_resolution=128, output_type="np")
    np.testing.assert_array_equal(array, np.asarray(result))
    np.testing.assert_array_equal(array[..., 0], array[..., 2])
    assert detector(picture, 64, 64, return_pil=False).shape == (64, 96, 3)


def test_the_map_is_the_networks_at_the_detect_resolution(detector, noise):
    image = noise(64, 96)
    expected = detector.session(resize(image, 32, 48))
    found = detector(image, detect_resolution=32, image_resolution=32, output_type="np")
    np.testing.assert_array_equal(found[..., 0], np.rint(expected * 255))


def test_variants(detector, noise):
    image = noise(64, 64)
    sizes = {"detect_resolution": 64, "image_resolution": 64, "output_type": "np"}
    assert set(np.unique(detector(image, **sizes, apply_filter=True))) == {0, 255}
    assert set(np.unique(detector(image, **sizes, safe=True))) <= {0, 128, 255}
    assert set(np.unique(detector(image, **sizes, scribble=True))) <= {0, 255}


def test_models_are_found_by_name_file_and_folder(toy_onnx, tmp_path):
    load = FeatherEdgeDetector.from_pretrained
    shutil.copy(toy_onnx, tmp_path / "model.onnx")
    shutil.copy(toy_onnx, tmp_path / "other.onnx")
    assert load("mobile-edge-s").to("cpu").session.name == "mobile-edge-s"
    assert load().session.task == "edges"
    assert load(str(toy_onnx)).session.name == "toy"
    assert load(tmp_path).session.name == "toy"
    assert load(tmp_path, filename="other.onnx").session.name == "toy"
    with pytest.raises(UnknownModelError):
        load("Annotators")


def test_what_is_not_available_is_refused(detector, toy_saliency_onnx, noise):
    with pytest.raises(WeightsError, match="'saliency'"):
        FeatherEdgeDetector(Session(toy_saliency_onnx, task="saliency"))
    with pytest.raises(ArgumentError, match="device is cuda"):
        detector.to("cuda")
    with pytest.raises(ArgumentError, match="got thr_a; expected output_type"):
        detector(noise(32, 32), thr_a=1)
    with pytest.raises(ArgumentError, match="output_type='jpg'"):
        detector(noise(32, 32), output_type="jpg")
    with pytest.raises(ArgumentError, match="detect_resolution is 0"):
        detector(noise(32, 32), detect_resolution=0)
