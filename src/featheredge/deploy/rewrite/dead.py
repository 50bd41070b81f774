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
        x, conv = (node.inputs[0] if node.inputs else None), read_conv(node)
        if conv is not None:
            if conv.groups == 1 and x in known:
                _fold_inputs(conv, known[x])
            empty = ~conv.kernel.any((1, 2, 3))
            known[node.outputs[0]] = np.where(empty, conv.bias, np.nan).astype(np.float32)
        elif node.op_type == "Concat" and all(value in known for value in node.inputs):
            known[node.outputs[0]] = np.concatenate(
                [known[v] for v in node.inputs if v is not None]
            )
        elif node.op_type in ("Add", "Sub") and all(value in known for value in node.inputs):
            one, other = (known[value] for value in node.inputs if value is not None)
            if one.shape == other.shape:
                known[node.outputs[0]] = one + other if node.op_type == "Add" else one - other
        elif x in known and node.op_type == "Relu":
            known[node.outputs[0]] = np.maximum(known[x], 0)
        elif x in known and node.op_type == "LeakyRelu":
            alpha = node.attributes.get_float("alpha", 0.01)
            known[node.outputs[0]] = np.where(known[x] < 0, alpha * known[x], known[x])
        elif (
            x in known
            and node.op_type in _KEEPING
            and not any(node.attributes.get_ints("pads", ()))
        ):
            known[node.outputs[0]] = known[x]


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
    while True:
        before = sum(int(channels.sum()) for channels in alive.values())
        for node in reversed(list(graph)):
            conv, x, y = read_conv(node), node.inputs[0] if node.inputs else None, node.outputs[0]
            if conv is not None and conv.groups == 1 and x in groups:
                rows = alive[groups.group(y)] if y in groups else np.ones(len(conv.kernel), bool)
                alive[groups.group(x)] |= conv.kernel[rows].any((0, 2, 3))
        for group, joins in groups.joined.items():
            for parts in joins:
                start = 0
                for part in parts:
                    stop = start + groups.counts[part]
                    alive[part] |= alive[group][start:stop]
                    start = stop
        if sum(int(channels.sum()) for channels in alive.values()) == before:
            return alive
