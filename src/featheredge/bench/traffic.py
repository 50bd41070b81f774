"""Count the bytes that the convolutions of a network read and write for one picture."""

import math

import onnx

from featheredge.report.cost import tensor_shapes

_FLOAT_BYTES = 4


def convolution_traffic(graph: onnx.GraphProto) -> int:
    """Sum the sizes of inputs, filters and outputs of all convolutions, as float32.

    This is the least that a machine moves if no map stays in its cache between two layers.

    Args:
        graph: A graph for pictures of one size, from
            `featheredge.report.cost.graph_for_one_size`.
    """
    shapes = tensor_shapes(graph)
    moved = 0
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            tensors = (*node.input[:2], node.output[0])
            moved += sum(math.prod(shapes.get(name, [0])) for name in tensors)
    return _FLOAT_BYTES * moved
