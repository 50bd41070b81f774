"""Exports of toy networks that share traces: one trace for each structure and test process.

Tracing a toy network takes about ten seconds, whatever its weights are. `sharing_traces` traces
each structure once and puts the weights of every further network into that graph. `export_network`
still compares every file with PyTorch, so a wrong weight fails the export.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import pytest
from onnx import numpy_helper
from torch import nn

from featheredge.deploy import export
from featheredge.models.network import Network

_trace = export._to_onnx
#: Structure -> its graph.
_traces: dict[str, onnx.ModelProto] = {}


@contextmanager
def sharing_traces() -> Iterator[None]:
    """Let exports in the body share the traces of their structures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_to_onnx", _to_onnx)
        yield


def _to_onnx(deployed: nn.Module) -> onnx.ModelProto:
    """Return the graph that a trace would give, without a new trace of a known structure."""
    network = deployed.network
    assert isinstance(network, Network)
    structure = f"{type(network).__name__} {network.config!r}"
    if structure not in _traces:
        _traces[structure] = _trace(deployed)
    model = onnx.ModelProto()
    model.CopyFrom(_traces[structure])
    state = network.state_dict()
    for tensor in model.graph.initializer:
        if tensor.name in state:
            values = state[tensor.name].numpy()
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model
