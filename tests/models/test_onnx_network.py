"""ONNX files as teachers: the declaration beside a file sets its inputs and output."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from featheredge.errors import WeightsError
from featheredge.models import build
from featheredge.training.teacher import Teacher

SIDE = 8


@pytest.fixture
def mean_of_channels(tmp_path):
    """A file with two outputs: the mean of the input channels, and twice that."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("Add", ["mean", "mean"], ["double"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, SIDE, SIDE])
            for name in ("mean", "double")
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path = tmp_path / "teacher.onnx"
    onnx.save(model, path)
    return path


def declare(path, text):
    path.with_suffix(".toml").write_text(
        f"input_px = {SIDE}\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n{text}"
    )
    return Teacher(build.load_trained(f"onnx:{path}"))


def test_a_map_has_the_pictures_size(mean_of_channels):
    teacher = declare(mean_of_channels, "")
    picture = torch.full((2, 3, 20, 30), 0.25)
    torch.testing.assert_close(teacher(picture), torch.full((2, 1, 20, 30), 0.25))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("output = 1", 0.4),
        ("logits = true", 1 / (1 + np.exp(-0.2))),
        ("by_maximum = true", 1.0),
        ("output = 1\nby_maximum = true", 1.0),
    ],
)
def test_the_declaration_sets_input_and_output(mean_of_channels, text, expected):
    teacher = declare(mean_of_channels, text)
    values = teacher(torch.full((1, 3, SIDE, SIDE), 0.2))
    torch.testing.assert_close(values, torch.full_like(values, expected), rtol=0, atol=2e-6)


def test_pictures_are_normalised_as_declared(mean_of_channels):
    mean_of_channels.with_suffix(".toml").write_text(
        f"input_px = {SIDE}\nmean = [0.1, 0.1, 0.1]\nstd = [0.5, 0.5, 0.5]\n"
    )
    network = build.load_trained(f"onnx:{mean_of_channels}")
    values = network(torch.full((1, 3, SIDE, SIDE), 0.3)).final.sigmoid()
    torch.testing.assert_close(values, torch.full_like(values, 0.4))


def test_the_fingerprint_follows_file_and_declaration(mean_of_channels):
    first = declare(mean_of_channels, "").fingerprint()
    assert declare(mean_of_channels, "output = 1").fingerprint() != first
    assert declare(mean_of_channels, "").fingerprint() == first


def test_missing_files_and_invalid_declarations_raise(mean_of_channels, tmp_path):
    with pytest.raises(WeightsError, match=r"teacher\.toml does not exist; .*input_px"):
        build.load_trained(f"onnx:{mean_of_channels}")
    with pytest.raises(WeightsError, match=r"teacher\.toml: inputpx"):
        declare(mean_of_channels, "inputpx = 3")
    with pytest.raises(WeightsError, match="output is 2, but the file has 2 outputs"):
        declare(mean_of_channels, "output = 2")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"not an \.onnx file"):
        declare(tmp_path / "broken.onnx", "")
