"""What each operation does to the labels of channels; see `featheredge.channels.channel_ids`.

A rule is called with the labelling, the operation's output tensors and its arguments, and returns
the axes of the outputs that have any.

Shapes: B batch, C channels, O I rows and columns of a kernel, H W pixels, g groups.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeAlias

from torch import Tensor

from featheredge.channels import reshape_rules
from featheredge.channels.channel_ids import Axes, Labelling, Labels
from featheredge.errors import ArgumentError

Rule: TypeAlias = Callable[..., list[Axes]]


def _same(known: Labelling, outputs: list[Tensor], x: Tensor, *_: Any, **__: Any) -> list[Axes]:
    """What treats every channel alone: pooling, resizing, padding, copying."""
    for labels, size in zip(known.axes(x), outputs[0].shape, strict=True):
        if labels is not None and len(labels) != size:
            raise ArgumentError(f"{len(labels)} channels become {size}")
    return [known.axes(x)]


def _elementwise(known: Labelling, outputs: list[Tensor], *operands: Any, **_: Any) -> list[Axes]:
    """Sums, products, activations, with NumPy's broadcasting."""
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    shape = outputs[0].shape
    return [tuple(_broadcast(known, tensors, axis, shape) for axis in range(-len(shape), 0))]


def _broadcast(known: Labelling, tensors: list[Tensor], axis: int, shape: Sequence[int]) -> Any:
    """One axis of an elementwise result; `axis` counts from the end."""
    reaching = [tensor for tensor in tensors if tensor.ndim >= -axis]
    full = [known.axes(t)[axis] for t in reaching if t.shape[axis] == shape[axis]]
    for tensor in reaching:
        if tensor.shape[axis] != shape[axis]:  # one channel that acts on all, such as a gate
            known.fix(known.axes(tensor)[axis])
    return known.shared(full)


def _convolution(
    known: Labelling,
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
    """(B, C, H, W) and an (O, I / g, k, k) kernel; a transposed one is (I, O / g, k, k)."""
    if transposed and groups > 1:
        raise ArgumentError("a transposed convolution in groups")
    rows, columns = known.axes(kernel)[:2] if not transposed else known.axes(kernel)[1::-1]
    channels = known.axes(x)[1]
    if rows is None:
        raise ArgumentError("a kernel that is not a parameter")
    if groups == 1:
        known.tie(channels, columns)
    elif channels is None:
        known.fix(rows)
    elif groups == len(channels):
        for multiple in rows.reshape(groups, -1).T:
            known.tie(channels, multiple)
    else:
        _equal_groups(known, channels, columns, rows, groups)
    return [_made(known, outputs[0], rows, bias)]


def _equal_groups(
    known: Labelling, channels: Labels, columns: Labels | None, rows: Labels, groups: int
) -> None:
    """Groups of several channels: to stay equal they lose the same ones."""
    for part in channels.reshape(groups, -1):
        known.tie(columns, part)
    for part in rows.reshape(groups, -1)[1:]:
        known.tie(rows[: len(part)], part)


def _made(known: Labelling, output: Tensor, rows: Labels, bias: Tensor | None) -> Axes:
    """The axes of a layer's output, whose channels are its kernel's rows."""
    known.made.append(rows)
    if bias is not None:
        known.tie(rows, known.axes(bias)[0])
    return (None, rows, *[None] * (output.ndim - 2))


def _addmm(
    known: Labelling, outputs: list[Tensor], bias: Tensor, x: Tensor, matrix: Tensor, **_: Any
) -> list[Axes]:
    """(B, I) times (I, O), plus (O,)."""
    columns, rows = known.axes(matrix)
    if rows is None:
        raise ArgumentError("a product of two matrices neither of which is a parameter")
    known.tie(known.axes(x)[1], columns)
    return [_made(known, outputs[0], rows, bias)]


def _mm(known: Labelling, outputs: list[Tensor], x: Tensor, matrix: Tensor) -> list[Axes]:
    """(B, I) times (I, O)."""
    columns, rows = known.axes(matrix)
    if rows is None:
        raise ArgumentError("a product of two matrices neither of which is a parameter")
    known.tie(known.axes(x)[1], columns)
    return [_made(known, outputs[0], rows, None)]


def _batch_norm(known: Labelling, outputs: list[Tensor], x: Tensor, *arguments: Any) -> list[Axes]:
    """Weight, bias, running mean and variance, of one entry per channel each."""
    for vector in arguments[:4]:
        if vector is not None:
            known.tie(known.axes(x)[1], known.axes(vector)[0])
    return [known.axes(x)]


def _group_norm(
    known: Labelling,
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
    """Channels that share their mean go together: with one of them the mean would change."""
    _batch_norm(known, outputs, x, weight, bias)
    labels = known.axes(x)[1]
    if labels is not None:
        members = labels.reshape(groups, -1)
        for member in members.T[1:]:
            known.tie(members[:, 0], member)
    return [known.axes(x)]


def _reduce(
    known: Labelling,
    outputs: list[Tensor],
    x: Tensor,
    axes: Any = None,
    keep: bool = False,
    **_: Any,
) -> list[Axes]:
    """Sums and means: channels that are summed over must stay."""
    gone = {axis % x.ndim for axis in (range(x.ndim) if axes is None else axes)}
    labels: list[Labels | None] = []
    for axis, own in enumerate(known.axes(x)):
        if axis in gone:
            known.fix(own)
        if axis not in gone or keep:
            labels.append(None if axis in gone else own)
    return [tuple(labels)]


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
    reshape_rules.join: "cat",
    reshape_rules.cut_parts: "split split_with_sizes",
    reshape_rules.cut_range: "slice",
    reshape_rules.permute: "permute",
    reshape_rules.transpose: "transpose t",
    _reduce: "sum mean",
    reshape_rules.pixel_shuffle: "pixel_shuffle",
    reshape_rules.reshape: "view _unsafe_view reshape unsqueeze squeeze",
}

#: Operation -> rule.
RULES: dict[str, Rule] = dict(
    chain.from_iterable(
        ((name, rule) for name in names.split()) for rule, names in _RULES_OF.items()
    )
)
