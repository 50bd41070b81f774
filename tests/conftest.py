"""Fixtures of all tests: toy weights files, the same network in numpy, pictures of noise."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, settings
from onnx import TensorProto, helper, numpy_helper

from featheredge import catalog, maps

# A busy machine is slow: no test fails for the time that it takes.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

STRIDE = 8
INPUT_PX = 64
METADATA = json.dumps({"name": "toy", "task": "edges", "stride": STRIDE})
SALIENCY = json.dumps(
    {"name": "bright", "task": "saliency", "stride": STRIDE, "input_px": INPUT_PX}
)


def write_network(path: Path, metadata: str | None = METADATA, radius_px: int = 0) -> Path:
    """Write a network whose map is the mean of the grey levels of a pixel and of its 8x8 cell.

    As in a real network, sizes that are not multiples of the stride fail. `radius_px` adds a box
    blur before it, so that a pixel depends on pixels beyond its cell.
    """
    side = 2 * radius_px + 1
    kernel = np.full((1, 3, side, side), 1 / (3 * 255 * side * side), np.float32)
    constants: dict[str, np.ndarray] = {
        "kernel": kernel,
        "scales": np.array([1, 1, STRIDE, STRIDE], np.float32),
        "half": np.array(0.5, np.float32),
        "channel": np.array([1], np.int64),
    }
    pool: dict[str, Any] = {"kernel_shape": [STRIDE] * 2, "strides": [STRIDE] * 2}
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["values"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["grey"], pads=[radius_px] * 4),
        helper.make_node("AveragePool", ["grey"], ["cells"], **pool),
        helper.make_node("Resize", ["cells", "", "scales"], ["blocks"], mode="nearest"),
        helper.make_node("Add", ["grey", "blocks"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["mean"]),
        helper.make_node("Squeeze", ["mean", "channel"], ["map"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", "H", "W", 3])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, ["B", "H", "W"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if metadata is not None:
        helper.set_model_props(model, {"featheredge": metadata})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def toy_map(image: np.ndarray) -> np.ndarray:
    """Compute the map of the network without blur, for an (H, W, 3) uint8 image of any size."""
    height, width = image.shape[:2]
    grey = np.pad(image, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="reflect")
    grey = grey.mean(axis=2) / 255
    blocks = grey.reshape(grey.shape[0] // STRIDE, STRIDE, grey.shape[1] // STRIDE, STRIDE)
    blocks = np.broadcast_to(blocks.mean(axis=(1, 3), keepdims=True), blocks.shape)
    return ((grey + blocks.reshape(grey.shape)) / 2)[:height, :width]


@pytest.fixture(scope="session")
def toy_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("weights") / "toy.onnx")


@pytest.fixture(scope="session")
def toy_saliency_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network as a saliency network: bright pixels are salient."""
    return write_network(tmp_path_factory.mktemp("weights") / "bright.onnx", SALIENCY)


@pytest.fixture(scope="module")
def share_traces() -> Iterator[None]:
    """Exports in the test file trace each toy structure once, see `toy_exports`."""
    from toy_exports import sharing_traces

    with sharing_traces():
        yield


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """A function that makes (H, W, 3) uint8 images of noise."""

    def make(height: int, width: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return make


@pytest.fixture
def entry(monkeypatch, toy_onnx):
    """A catalog with the toy network alone."""
    entry = catalog.Entry(
        name="toy",
        task="edges",
        network="none",
        file=str(toy_onnx),
        sha256=hashlib.sha256(toy_onnx.read_bytes()).hexdigest(),
        licence="Apache-2.0",
        training_data="nothing",
        initial_weights="nothing",
        teacher=None,
        num_params=3,
        stride=STRIDE,
        trained_by="nobody",
    )
    monkeypatch.setattr(catalog, "ENTRIES", (entry,))
    maps._open_cached.cache_clear()  # sessions of the shipped models, from other tests
    return entry
