"""Replace PReLU by operators that ONNX Runtime computes together with a convolution.

ONNX Runtime fuses ReLU and LeakyReLU into the convolution before them, but not PReLU, which also
makes it convert maps to another memory layout and back. With slope a,

    prelu(y) = a y + (1 - a) relu(y) = a y + relu((1 - a) y)    for a <= 1,

so a convolution with PReLU is the sum of two convolutions, one of them with ReLU. ONNX Runtime
fuses the sum too.

Shapes: C channels.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from featheredge.deploy.rewrite.graph import (
    Array,
    add_conv,
    constant,
    insert_before,
    only_user,
    read_conv,
    replace,
)


@dataclass
class Slopes:
    """How many PReLU layers were replaced, by what.

    Attributes:
        relu: By ReLU.
        leaky: By LeakyReLU.
        split: By two convolutions, exactly.
        rounded: The largest change of a slope.
    """

    relu: int = 0
    leaky: int = 0
    split: int = 0
    rounded: float = 0.0


def replace_prelu(graph: ir.Graph, tolerance: float = 0.0) -> Slopes:
    """Replace every PReLU with constant slopes of at most 1.

    Args:
        graph: The graph to change.
        tolerance: Slopes may change by this much if that makes a layer a ReLU or a LeakyReLU.
    """
    counts = Slopes()
    for node in list(graph):
        slopes = _slopes(node)
        if slopes is None or slopes.max() > 1:
            continue
        middle = float(slopes.max() + slopes.min()) / 2
        if (change := float(np.abs(slopes).max())) <= tolerance:
            replace(node, "Relu", node.inputs[:1])
            counts.relu += 1
        elif (change := float(np.abs(slopes - middle).max())) <= tolerance:
            replace(node, "LeakyRelu", node.inputs[:1], alpha=middle)
            counts.leaky += 1
        else:
            _split(node, slopes)
            counts.split, change = counts.split + 1, 0.0
        counts.rounded = max(counts.rounded, change)
    return counts


def _slopes(node: ir.Node) -> Array | None:
    """Return the slopes of a PReLU, one for each channel, or None if it is none."""
    values = constant(node.inputs[1]) if node.op_type == "PRelu" else None
    if values is None or values.ndim < 3 or values.size != values.shape[-3]:
        return None
    return values.reshape(-1)


def _split(node: ir.Node, slopes: Array) -> None:
    """Replace a PReLU by two convolutions, one of them with ReLU, and their sum.

    A cheap convolution before it is computed twice. Otherwise two depthwise 1x1 convolutions, which
    ONNX Runtime computes faster than a PReLU, scale the map.
    """
    y = node.inputs[0]
    assert y is not None
    conv = read_conv(y.producer())
    if conv and only_user(y) is not None and (conv.is_depthwise or conv.is_pointwise):
        x, kernel, bias, attributes = conv.node.inputs[0], conv.kernel, conv.bias, conv.attributes
    else:
        x, kernel = y, np.ones((len(slopes), 1, 1, 1), np.float32)
        bias, attributes = np.zeros_like(slopes), {"group": len(slopes)}
    assert x is not None
    straight, bent = (
        add_conv(node, x, kernel * share[:, None, None, None], bias * share, y, attributes)
        for share in (slopes, 1 - slopes)
    )
    replace(node, "Add", [straight, insert_before(node, "Relu", [bent], y)])
