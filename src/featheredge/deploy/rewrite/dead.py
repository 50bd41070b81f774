"""Remove channels that no layer reads, or whose value is the same everywhere.

Shapes: C channels.
"""

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from featheredge.deploy.rewrite.graph import Array, Conv, read_conv
from featheredge.deploy.rewrite.layout import Groups, Layout, apply_layouts

#: Operators that keep a map that is the same everywhere, if they do not pad.
_KEEPING = ("MaxPool", "AveragePool", "Resize", "Identity")


def drop_dead_channels(graph: ir.Graph) -> int:
    """Fold constant channels into the biases of the layers that read them, and drop dead ones.

    A filter of zeros makes a channel that is its bias everywhere. A 1x1 layer that reads it gets
    its share as a bias; a layer that pads its input only if the channel is zero, as the padding is.
    A channel whose filters are zero in all layers that read it is dropped.

    Returns:
        The number of channels that are dropped.
    """
    _fold_constants(graph)
    groups = Groups(graph)
    alive = _find_alive(graph, groups)
    dropped = 0

    def keep(group: ir.Value) -> Layout:
        nonlocal dropped
        kept = alive[group]
        if not kept.any():
            kept = np.arange(len(kept)) == 0
        dropped += int((~kept).sum())
        return np.flatnonzero(kept)

    apply_layouts(graph, groups, keep)
    return dropped


def _fold_constants(graph: ir.Graph) -> None:
    """Give layers that read constant channels biases for these, and filters of zeros."""
    known: dict[ir.Value, Array] = {}  # NaN where a channel is not constant
    for node in graph:
        inputs = [known[value] for value in node.inputs if value in known]
        conv = read_conv(node)
        if conv is not None:
            if conv.groups == 1 and inputs:
                _fold_inputs(conv, inputs[0])
            empty = ~conv.kernel.any((1, 2, 3))
            known[node.outputs[0]] = np.where(empty, conv.bias, np.nan).astype(np.float32)
        elif inputs and (values := _compute(node, inputs)) is not None:
            known[node.outputs[0]] = values


def _compute(node: ir.Node, inputs: list[Array]) -> Array | None:
    """Return what a node makes of constant channels; None for other operators."""
    if node.op_type == "Relu":
        return np.maximum(inputs[0], 0)
    if node.op_type == "LeakyRelu":
        slope = np.float32(node.attributes.get_float("alpha", 0.01))
        return np.where(inputs[0] < 0, slope * inputs[0], inputs[0])
    if node.op_type in _KEEPING:
        return None if any(node.attributes.get_ints("pads", ())) else inputs[0]
    if len(inputs) == len(node.inputs):
        if node.op_type == "Concat" and node.attributes.get_int("axis") == 1:
            return np.concatenate(inputs)
        if node.op_type == "Add" and inputs[0].shape == inputs[1].shape:
            return inputs[0] + inputs[1]
    return None


def _fold_inputs(conv: Conv, values: Array) -> None:
    """Move constant input channels of a convolution to its bias."""
    folds = ~np.isnan(values) if conv.is_pointwise else values == 0
    if not conv.kernel[:, folds].any():
        return
    kernel = conv.kernel.copy()
    kernel[:, folds] = 0
    bias = conv.bias + conv.kernel[:, folds].sum((2, 3)) @ values[folds]
    conv.store(kernel, bias)


def _find_alive(graph: ir.Graph, groups: Groups) -> dict[ir.Value, npt.NDArray[np.bool_]]:
    """Return for each group which channels a layer reads that is itself read."""
    alive = {group: np.full(groups.counts[group], group in groups.fixed) for group in groups}
    count = -1
    while count != (count := sum(int(channels.sum()) for channels in alive.values())):
        for node in reversed(list(graph)):
            conv = read_conv(node)
            if conv is not None and conv.groups == 1:
                _mark_inputs(conv, groups, alive)
        for group, joins in groups.joined.items():
            for parts in joins:
                start = 0
                for part in parts:
                    stop = start + groups.counts[part]
                    alive[part] |= alive[group][start:stop]
                    start = stop
    return alive


def _mark_inputs(conv: Conv, groups: Groups, alive: dict[ir.Value, npt.NDArray[np.bool_]]) -> None:
    """Mark the channels that the read filters of a convolution read."""
    x, y = conv.node.inputs[0], conv.node.outputs[0]
    if x is not None and x in groups:
        filters = alive[groups.group(y)] if y in groups else np.ones(len(conv.kernel), bool)
        alive[groups.group(x)] |= conv.kernel[filters].any((0, 2, 3))
