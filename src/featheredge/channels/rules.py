"""Rules for what each PyTorch operation does to channel ids.

A rule takes the id table (`featheredge.channels.channel_ids`), the operation's output tensors and
its arguments. It returns the axes of those outputs that have ids.

Shapes: B batch, C channels, O I rows and columns of a kernel, H W pixels, g groups.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeAlias

from torch import Tensor

from featheredge.channels import reshape_rules
from featheredge.channels.channel_ids import Axes, Ids, IdTable
from featheredge.errors import ArgumentError

Rule: TypeAlias = Callable[..., list[Axes]]


def _same(table: IdTable, outputs: list[Tensor], x: Tensor, *_: Any, **__: Any) -> list[Axes]:
    """Operations on each channel alone: pooling, resizing, padding, copying."""
    for ids, size in zip(table.axes(x), outputs[0].shape, strict=True):
        if ids is not None and len(ids) != size:
            raise ArgumentError(f"it changes {len(ids)} channels to {size}")
    return [table.axes(x)]


def _elementwise(table: IdTable, outputs: list[Tensor], *operands: Any, **_: Any) -> list[Axes]:
    """Sums, products and activations, with NumPy's broadcasting."""
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    shape = outputs[0].shape
    return [tuple(_broadcast(table, tensors, axis, shape) for axis in range(-len(shape), 0))]


def _broadcast(table: IdTable, tensors: list[Tensor], axis: int, shape: Sequence[int]) -> Any:
    """Return one axis of an elementwise result; `axis` counts from the end."""
    with_axis = [tensor for tensor in tensors if tensor.ndim >= -axis]
    full = [table.axes(t)[axis] for t in with_axis if t.shape[axis] == shape[axis]]
    for tensor in with_axis:
        if tensor.shape[axis] != shape[axis]:  # one channel that acts on all others, such as a gate
            table.fix(table.axes(tensor)[axis])
    return table.shared(full)


def _convolution(
    table: IdTable,
    outputs: list[Tensor],
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> list[Axes]:
    """(B, C, H, W) with a kernel (O, I / g, k, k); a transposed kernel is (I, O / g, k, k)."""
    if transposed and groups > 1:
        raise ArgumentError("a transposed convolution with groups is not supported")
    rows, columns = table.axes(kernel)[:2] if not transposed else table.axes(kernel)[1::-1]
    channels = table.axes(x)[1]
    if rows is None:  # a fixed filter, such as a blur: it keeps its shape and all that it reads
        for ids in (channels, columns, None if bias is None else table.axes(bias)[0]):
            table.fix(ids)
        return [(None,) * outputs[0].ndim]
    if groups == 1:
        table.tie(channels, columns)
    elif channels is None:
        table.fix(rows)
    elif groups == len(channels):
        for multiple in rows.reshape(groups, -1).T:
            table.tie(channels, multiple)
    else:
        _equal_groups(table, channels, columns, rows, groups)
    return [_layer_output(table, outputs[0], rows, bias)]


def _equal_groups(
    table: IdTable, channels: Ids, columns: Ids | None, rows: Ids, groups: int
) -> None:
    """Tie the groups of a grouped convolution: each must lose the same channels."""
    for part in channels.reshape(groups, -1):
        table.tie(columns, part)
    for part in rows.reshape(groups, -1)[1:]:
        table.tie(rows[: len(part)], part)


def _layer_output(table: IdTable, output: Tensor, rows: Ids, bias: Tensor | None) -> Axes:
    """Return the axes of a layer's output, whose channels are the rows of its kernel."""
    table.produced.append(rows)
    if bias is not None:
        table.tie(rows, table.axes(bias)[0])
    return (None, rows, *[None] * (output.ndim - 2))


def _addmm(
    table: IdTable, outputs: list[Tensor], bias: Tensor, x: Tensor, matrix: Tensor, **_: Any
) -> list[Axes]:
    """Product of (B, I) and (I, O), plus (O,)."""
    columns, rows = table.axes(matrix)
    if rows is None:
        raise ArgumentError("a product of two matrices is not supported unless one is a parameter")
    table.tie(table.axes(x)[1], columns)
    return [_layer_output(table, outputs[0], rows, bias)]


def _mm(table: IdTable, outputs: list[Tensor], x: Tensor, matrix: Tensor) -> list[Axes]:
    """Product of (B, I) and (I, O)."""
    columns, rows = table.axes(matrix)
    if rows is None:
        raise ArgumentError("a product of two matrices is not supported unless one is a parameter")
    table.tie(table.axes(x)[1], columns)
    return [_layer_output(table, outputs[0], rows, None)]


def _batch_norm(table: IdTable, outputs: list[Tensor], x: Tensor, *arguments: Any) -> list[Axes]:
    """Tie weight, bias, running mean and variance, which have one entry per channel."""
    for vector in arguments[:4]:
        if vector is not None:
            table.tie(table.axes(x)[1], table.axes(vector)[0])
    return [table.axes(x)]


def _group_norm(
    table: IdTable,
    outputs: list[Tensor],
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    batch: int,
    channels: int,
    pixels: int,
    groups: int,
    eps: float,
) -> list[Axes]:
    """Tie the channels that share a mean: removing one of them would change it."""
    _batch_norm(table, outputs, x, weight, bias)
    ids = table.axes(x)[1]
    if ids is not None:
        members = ids.reshape(groups, -1)
        for column in members.T[1:]:
            table.tie(members[:, 0], column)
    return [table.axes(x)]


def _reduce(
    table: IdTable,
    outputs: list[Tensor],
    x: Tensor,
    axes: Any = None,
    keep: bool = False,
    **_: Any,
) -> list[Axes]:
    """Sums and means; channels that are summed over are fixed."""
    reduced = {axis % x.ndim for axis in (range(x.ndim) if axes is None else axes)}
    left: list[Ids | None] = []
    for axis, ids in enumerate(table.axes(x)):
        if axis in reduced:
            table.fix(ids)
        if axis not in reduced or keep:
            left.append(None if axis in reduced else ids)
    return [tuple(left)]


_RULES_OF: dict[Rule, str] = {
    _same: "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d alias detach clone lift_fresh "
    "_to_copy upsample_bilinear2d upsample_nearest2d upsample_bicubic2d constant_pad_nd "
    "replication_pad2d reflection_pad2d max_pool2d native_dropout adaptive_max_pool2d",
    _elementwise: "add add_ sub sub_ mul mul_ div div_ maximum minimum relu relu_ relu6 hardtanh "
    "hardtanh_ sigmoid sigmoid_ tanh tanh_ silu silu_ gelu elu leaky_relu leaky_relu_ hardswish "
    "hardswish_ hardsigmoid clamp clamp_min softplus mish neg abs exp pow _prelu_kernel",
    _convolution: "convolution",
    _addmm: "addmm",
    _mm: "mm",
    _batch_norm: "native_batch_norm _native_batch_norm_legit_no_training",
    _group_norm: "native_group_norm",
    reshape_rules.concatenate: "cat",
    reshape_rules.split: "split split_with_sizes",
    reshape_rules.take_range: "slice",
    reshape_rules.permute: "permute",
    reshape_rules.transpose: "transpose t",
    _reduce: "sum mean",
    reshape_rules.pixel_shuffle: "pixel_shuffle",
    reshape_rules.reshape: "view _unsafe_view reshape unsqueeze squeeze",
}

#: Name of an ATen operation -> its rule.
RULES: dict[str, Rule] = dict(
    chain.from_iterable(
        ((name, rule) for name in names.split()) for rule, names in _RULES_OF.items()
    )
)
