"""Fold batch norms into the convolutions before them, also through sums of branches.

ONNX Runtime folds a norm that directly follows a convolution. It cannot fold one that follows a
sum, such as that of a generalised octave convolution, or a concatenation.

Shapes: C channels.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from featheredge.deploy.rewrite.graph import constant, give_users, only_user, read_conv

#: One number for each channel.
Values: TypeAlias = npt.NDArray[np.float64]

#: Operators that treat every channel alike and map constants to themselves.
_RESIZING = ("Resize", "AveragePool", "Identity")


def fold_norms(graph: ir.Graph) -> int:
    """Fold every batch norm whose input is computed from convolutions by linear layers alone.

    A norm is a scale and a shift for each channel. The scale goes to all convolutions of a sum, the
    shift to one of them. Bilinear and nearest interpolation and average pooling without padding
    let both pass.

    Returns:
        The number of norms that are gone.
    """
    folded = 0
    for norm in list(graph):
        if norm.op_type != "BatchNormalization":
            continue
        x, *statistics = norm.inputs
        values = [constant(value) for value in statistics]
        if x is None or any(value is None for value in values) or not _takes_affine(x):
            continue
        weight, bias, mean, var = (np.asarray(value, np.float64) for value in values)
        scale = weight / np.sqrt(var + norm.attributes.get_float("epsilon", 1e-5))
        _apply_affine(x, scale, bias - mean * scale)
        give_users(norm, x)
        folded += 1
    return folded


def _takes_affine(x: ir.Value) -> bool:
    """Return whether the convolutions that compute a value can take a scale and a shift."""
    node = x.producer()
    if node is None or only_user(x) is None:
        return False
    if node.op_type == "Conv":
        return read_conv(node) is not None
    if node.op_type in _RESIZING and not any(node.attributes.get_ints("pads", (0,))):
        return node.inputs[0] is not None and _takes_affine(node.inputs[0])
    if node.op_type == "Add" or _joins_channels(node):
        return all(value is not None and _takes_affine(value) for value in node.inputs)
    return False


def _apply_affine(x: ir.Value, scale: Values, shift: Values) -> None:
    """Scale and shift the channels of a value in the convolutions that compute it."""
    node = x.producer()
    assert node is not None
    conv = read_conv(node)
    if conv is not None:
        kernel = conv.kernel * scale[:, None, None, None]
        bias = conv.bias * scale + shift
        conv.store(kernel.astype(np.float32), bias.astype(np.float32))
        return
    inputs = [value for value in node.inputs if value is not None]
    if node.op_type == "Add":
        _apply_affine(inputs[0], scale, shift)
        _apply_affine(inputs[1], scale, np.zeros_like(shift))
    elif _joins_channels(node):
        start = 0
        for value in inputs:
            stop = start + _num_channels(value)
            _apply_affine(value, scale[start:stop], shift[start:stop])
            start = stop
    else:
        _apply_affine(inputs[0], scale, shift)


def _joins_channels(node: ir.Node) -> bool:
    return node.op_type == "Concat" and node.attributes.get_int("axis") == 1


def _num_channels(x: ir.Value) -> int:
    """Return the number of channels of a value that takes an affine map."""
    node = x.producer()
    assert node is not None
    conv = read_conv(node)
    if conv is not None:
        return len(conv.kernel)
    inputs = [value for value in node.inputs if value is not None]
    if _joins_channels(node):
        return sum(map(_num_channels, inputs))
    return _num_channels(inputs[0])
