"""OpenVINO gives the maps of ONNX Runtime; combinations that do not exist are refused."""

import pickle

import numpy as np
import pytest

from conftest import write_network
from featheredge import openvino_runtime, providers
from featheredge.errors import MissingExtraError, ProviderError, WeightsError
from featheredge.session import Session


@pytest.fixture(scope="module")
def openvino():
    return pytest.importorskip("openvino", reason="the extra openvino is not installed")


def test_openvino_gives_the_same_maps_at_every_size(openvino, toy_onnx, noise):
    ours, theirs = Session(toy_onnx), Session(toy_onnx, provider="openvino")
    for size in [(16, 24), (33, 57), (16, 24), (8, 8)]:  # one size of its own, then shared
        np.testing.assert_allclose(theirs(noise(*size)), ours(noise(*size)), atol=1e-5)
    images = [noise(16, 24, seed) for seed in range(3)]
    for image, map in zip(images, theirs.batch(images, size=2), strict=True):
        np.testing.assert_allclose(map, ours(image), atol=1e-5)


def test_a_map_is_not_overwritten_by_the_next(openvino, toy_onnx, noise):
    session = Session(toy_onnx, provider="openvino")
    map = session(noise(16, 24))
    kept = map.copy()
    session(noise(16, 24, 1))
    np.testing.assert_array_equal(map, kept)


def test_bfloat16_is_near_float32(openvino, toy_onnx, noise):
    if "bf16" not in openvino_runtime.cpu_precisions():
        pytest.skip("this processor has no bfloat16")
    session = Session(toy_onnx, provider="openvino", precision="bf16")
    image = noise(40, 56)
    difference = np.abs(session(image) - Session(toy_onnx)(image)).max()
    assert 0 < difference < 0.02
    assert "precision='bf16'" in repr(pickle.loads(pickle.dumps(session)))


def test_a_precision_that_the_processor_lacks_is_refused(openvino, toy_onnx, monkeypatch):
    monkeypatch.setattr(openvino_runtime, "cpu_precisions", lambda: ["fp32"])
    with pytest.raises(ProviderError, match="no precision 'bf16' on this processor; choose one of"):
        Session(toy_onnx, provider="openvino", precision="bf16")


def test_onnx_runtime_has_float32_only(toy_onnx):
    with pytest.raises(ProviderError, match=r"'cpu' has no precision 'bf16'.*--provider openvino"):
        Session(toy_onnx, precision="bf16")


def test_a_missing_extra_is_named(toy_onnx, monkeypatch):
    monkeypatch.setattr("featheredge.extras.is_installed", lambda module: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'featheredge\[openvino\]'"):
        Session(toy_onnx, provider="openvino")
    monkeypatch.setattr(providers, "is_installed", lambda module: False)
    assert "openvino" not in providers.available_providers()


def test_openvino_refuses_what_onnx_runtime_refuses(openvino, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"garbage")
    with pytest.raises(WeightsError, match="OpenVINO cannot load it"):
        Session(tmp_path / "bad.onnx", provider="openvino")
    write_network(tmp_path / "strange.onnx", metadata=None)
    with pytest.raises(WeightsError, match="no featheredge metadata"):
        Session(tmp_path / "strange.onnx", provider="openvino")


def test_an_ir_file_needs_openvino(openvino, toy_onnx, tmp_path, noise):
    openvino.save_model(openvino_runtime.read_model(toy_onnx), tmp_path / "toy.xml")
    session = Session(str(tmp_path / "toy.xml"), provider="openvino")
    assert session.name == "toy"
    image = noise(16, 24)
    np.testing.assert_allclose(session(image), Session(toy_onnx)(image), atol=1e-3)
    with pytest.raises(ProviderError, match="add provider='openvino'"):
        Session(tmp_path / "toy.xml")
