"""Costs counted on the file equal those that PyTorch counts on the network."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import STRIDE
from featheredge import catalog
from featheredge.deploy.export import export_network
from featheredge.errors import WeightsError
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds, num_params
from featheredge.report.cost import count
from toys import toy_network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    network = toy_network(side_outputs=True)
    path = tmp_path_factory.mktemp("cost") / "toy.onnx"
    export_network(network, path, name="toy", task="edges", storage="fp16")
    return network, path


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 96), (33, 47), (321, 481)])
def test_counts_equal_pytorchs(exported, size):
    network, path = exported
    cost = count(path, *size, network.stride)
    twin = type(network)
    assert cost.multiply_adds == multiply_adds(lambda: twin(network.config).deployable(), *size)
    assert cost.num_params == num_params(network)


@pytest.mark.slow
def test_computed_filters_count_at_their_computed_size(tmp_path):
    network = create_model("pidinet-tiny-l")
    export_network(network, tmp_path / "pidinet.onnx", name="pidinet", task="edges", storage="fp16")
    cost = count(tmp_path / "pidinet.onnx", 40, 56, network.stride)
    expected = multiply_adds(lambda: create_model("pidinet-tiny-l").deployable(), 40, 56)
    assert cost.multiply_adds == expected
    assert cost.num_params == num_params(network.deployable())


@pytest.mark.parametrize("entry", catalog.ENTRIES, ids=lambda entry: entry.name)
def test_shipped_networks_have_the_parameters_that_the_catalog_says(entry):
    assert count(catalog.weights_path(entry), 64, 64, entry.stride).num_params == entry.num_params


def test_a_network_that_needs_multiples_is_counted_at_the_next_multiple(toy_onnx):
    assert count(toy_onnx, 13, 17, STRIDE).multiply_adds == 16 * 24 * 3


def write_layer(path, node, weight):
    """A file with one layer for (B, 4, H, W)."""
    axes = ["B", "H", "W"] if node.op_type == "MatMul" else ["B", "H", "W", 4]
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "layer.weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_a_transposed_convolution(tmp_path):
    """Each of the 4 x 5 x 6 input values is multiplied by 3 x 2 x 2 weights."""
    weight = np.zeros((4, 3, 2, 2), np.float32)
    turned = helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])
    node = helper.make_node("ConvTranspose", ["planes", "layer.weight"], ["map"], strides=[2, 2])
    file = write_layer(tmp_path / "up.onnx", node, weight)
    model = onnx.load(file)
    model.graph.node.insert(0, turned)
    onnx.save(model, file)
    cost = count(file, 5, 6, 1)
    assert (cost.num_params, cost.multiply_adds) == (48, 4 * 5 * 6 * 3 * 2 * 2)


@pytest.mark.parametrize("kind", ["MatMul", "Relu"])
def test_layers_that_cannot_be_counted_are_named(tmp_path, kind):
    weight = np.zeros((4, 4), np.float32)
    inputs = ["image", "layer.weight"] if kind == "MatMul" else ["image"]
    file = write_layer(tmp_path / "other.onnx", helper.make_node(kind, inputs, ["map"]), weight)
    with pytest.raises(
        WeightsError, match={"MatMul": "a MatMul layer", "Relu": "no convolution"}[kind]
    ):
        count(file, 4, 4, 1)


def test_a_file_that_is_not_a_network(tmp_path):
    (tmp_path / "none.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"none\.onnx: its cost cannot be counted"):
        count(tmp_path / "none.onnx", 8, 8, 8)
