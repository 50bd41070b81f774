"""ONNX files from elsewhere are checked before a runtime sees them."""

from contextlib import suppress

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from conftest import write_network
from featheredge import catalog
from featheredge.errors import WeightsError
from featheredge.onnx_file import MIN_OPSET, check_onnx, read_onnx_file
from featheredge.session import Session


def external_tensor(location: str) -> onnx.TensorProto:
    """A tensor whose values are in another file."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def branching(tensor: onnx.TensorProto) -> onnx.GraphProto:
    """A graph that has the tensor in a branch of an If node only."""
    branch = helper.make_graph([], "branch", [], [], [tensor])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    return helper.make_graph([node], "graph", [], [])


def constant(tensor: onnx.TensorProto) -> onnx.GraphProto:
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    return helper.make_graph([node], "graph", [], [])


def initialised(tensor: onnx.TensorProto) -> onnx.GraphProto:
    return helper.make_graph([], "graph", [], [], [tensor])


def saved(graph: onnx.GraphProto, opset: int = 17) -> bytes:
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets).SerializeToString()


@pytest.mark.parametrize("entry", catalog.list_models(), ids=lambda entry: entry.name)
def test_shipped_files_are_accepted(entry):
    read_onnx_file(catalog.weights_path(entry))


@pytest.mark.parametrize("graph", [initialised, constant, branching])
@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "weights.bin"])
def test_external_data_is_refused_wherever_it_hides(graph, location):
    data = saved(graph(external_tensor(location)))
    assert onnx.load_from_string(data).graph  # a whole file, for the library of the format
    with pytest.raises(WeightsError, match="reads weights from another file"):
        check_onnx(data, "x.onnx")


def test_a_session_refuses_external_data(tmp_path):
    model = onnx.load(write_network(tmp_path / "x.onnx"))
    onnx.save(model, tmp_path / "x.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(WeightsError, match=r"x\.onnx: reads weights from another file"):
        Session(tmp_path / "x.onnx")


def test_an_old_operator_set_is_refused():
    graph = constant(helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0]))
    check_onnx(saved(graph, MIN_OPSET), "x.onnx")
    with pytest.raises(WeightsError, match="operator set 6 of ONNX; expected at least 7"):
        check_onnx(saved(graph, 6), "x.onnx")


@pytest.mark.parametrize("data", [b"", b"no network", b"\x00\x01", b"\x08" + b"\xff" * 11, b"\x0b"])
def test_other_files_are_refused(data):
    with pytest.raises(WeightsError, match=r"not an \.onnx file, or damaged"):
        check_onnx(data, "x.onnx")


def test_deeply_nested_messages_are_refused():
    data = b""
    for _ in range(2000):  # a graph in an attribute of a node of a graph
        for field in (6, 5, 1):
            size = len(data)
            data = (
                bytes([field << 3 | 2, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data
            )
    size = len(data)
    data = bytes([7 << 3 | 2, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data
    with pytest.raises(WeightsError, match="levels of messages"):
        check_onnx(data, "x.onnx")


@settings(max_examples=100, deadline=None)
@given(end=st.integers(0, 10_000), position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_damaged_files_are_refused_or_read(toy_onnx, end, position, value):
    data = bytearray(toy_onnx.read_bytes())
    data[position % len(data)] = value
    with suppress(WeightsError):  # no other error
        check_onnx(bytes(data[: len(data) - end % len(data)]), "x.onnx")
