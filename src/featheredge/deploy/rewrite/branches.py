"""Merge, share and reorder the layers of parallel branches.

Shapes: C channels.
"""

import numpy as np
import onnx_ir as ir

from featheredge.deploy.rewrite.blocks import BLOCK
from featheredge.deploy.rewrite.graph import (
    add_conv,
    constant,
    give_users,
    insert_before,
    only_user,
    read_conv,
    replace,
)

_POOLS = ("MaxPool", "AveragePool")


def share_pools(graph: ir.Graph) -> int:
    """Pool a map once for all layers that pool it in the same way.

    Returns:
        The number of pools that are gone.
    """
    seen: dict[object, ir.Node] = {}
    shared = 0
    for node in list(graph):
        if node.op_type not in _POOLS or len(node.outputs) != 1:
            continue
        settings = sorted((name, str(a.value)) for name, a in node.attributes.items())
        key = (node.op_type, node.inputs[0], tuple(settings))
        if key in seen:
            give_users(node, seen[key].outputs[0])
            shared += 1
        seen.setdefault(key, node)
    return shared


def add_joined(graph: ir.Graph) -> int:
    """Compute a concatenation of narrow convolutions as a sum of convolutions.

    Every convolution gets all channels of the concatenation, with filters of zeros for those of the
    others. A filter of zeros costs nothing in a block of channels that is not full, and ONNX
    Runtime adds up the convolutions without a pass of its own. Two blocks for one are accepted.

    Returns:
        The number of concatenations that are gone.
    """
    changed = 0
    for node in list(graph):
        if node.op_type != "Concat" or node.attributes.get_int("axis") != 1:
            continue
        convs = [read_conv(value.producer()) for value in node.inputs if value is not None]
        if not all(
            conv is not None and conv.groups == 1 and only_user(conv.node.outputs[0]) is node
            for conv in convs
        ):
            continue
        widths = [len(conv.kernel) for conv in convs if conv is not None]
        blocks = [-(-width // BLOCK) for width in widths]
        if len(convs) * -(-sum(widths) // BLOCK) > 2 * sum(blocks) or min(widths) >= BLOCK:
            continue
        total, start = None, 0
        for conv in convs:
            assert conv is not None
            assert conv.node.inputs[0] is not None
            rows = slice(start, start := start + len(conv.kernel))
            kernel = np.zeros((sum(widths), *conv.kernel.shape[1:]), np.float32)
            bias = np.zeros(sum(widths), np.float32)
            kernel[rows], bias[rows] = conv.kernel, conv.bias
            like = node.outputs[0]
            y = add_conv(node, conv.node.inputs[0], kernel, bias, like, conv.attributes)
            total = y if total is None else insert_before(node, "Add", [total, y], like)
        assert total is not None
        give_users(node, total)
        changed += 1
    return changed


def shrink_before_enlarging(graph: ir.Graph) -> int:
    """Move 1x1 convolutions that do not add channels before the interpolation of their input.

    A 1x1 convolution works on each cell alone, and the weights of an interpolation sum to 1, so the
    two commute.

    Returns:
        The number of convolutions that have moved.
    """
    moved = 0
    for node in list(graph):
        conv = read_conv(node)
        resize = None if conv is None or node.inputs[0] is None else node.inputs[0].producer()
        if conv is None or not conv.is_pointwise or resize is None or resize.op_type != "Resize":
            continue
        fewer = conv.kernel.shape[0] <= conv.kernel.shape[1]
        x = resize.inputs[0]
        if x is None or not fewer or not _enlarges(resize) or only_user(resize.outputs[0]) is None:
            continue
        small = add_conv(resize, x, conv.kernel, conv.bias, node.outputs[0], conv.attributes)
        attributes = {name: a.value for name, a in resize.attributes.items()}
        replace(node, "Resize", [small, *resize.inputs[1:]], **attributes)
        moved += 1
    return moved


def _enlarges(resize: ir.Node) -> bool:
    """Return whether a Resize enlarges by constant factors, with weights that sum to 1."""
    scales = constant(resize.inputs[2]) if len(resize.inputs) > 2 else None
    mode = resize.attributes.get_string("mode", "nearest")
    return scales is not None and bool((scales >= 1).all()) and mode in ("linear", "nearest")
