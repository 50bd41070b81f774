"""Rules for operations that move values: concatenate, split, permute, reshape.

A rule takes the id table, the operation's output tensors and its arguments, and returns the axes
of the outputs; see `featheredge.channels.rules`.

Shapes: Those of the operations in PyTorch. An id array is as long as its axis.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from torch import Tensor

from featheredge.channels.channel_ids import Axes, Ids, IdTable
from featheredge.errors import ArgumentError


def concatenate(
    table: IdTable, outputs: list[Tensor], parts: Sequence[Tensor], axis: int = 0
) -> list[Axes]:
    """Concatenate the ids along `axis`; along every other axis the parts share their channels."""
    axis %= outputs[0].ndim
    joined: list[Ids | None] = []
    for dim, part_ids in enumerate(zip(*(table.axes(part) for part in parts), strict=True)):
        if dim == axis and any(ids is not None for ids in part_ids):
            sizes = [part.shape[dim] for part in parts]
            filled = [_or_fixed(table, *pair) for pair in zip(part_ids, sizes, strict=True)]
            joined.append(np.concatenate(filled))
        else:
            joined.append(table.shared(part_ids))
    return [tuple(joined)]


def _or_fixed(table: IdTable, ids: Ids | None, size: int) -> Ids:
    """Return the ids of an axis, or new fixed ones if it has none."""
    if ids is None:
        ids = table.new(size)
        table.fix(ids)
    return ids


def split(
    table: IdTable, outputs: list[Tensor], x: Tensor, sizes: Any, axis: int = 0
) -> list[Axes]:
    """Split the ids as the tensor is split."""
    axes = table.axes(x)
    ids = axes[axis]
    if ids is None:
        return [axes] * len(outputs)
    ends = np.cumsum([output.shape[axis] for output in outputs])[:-1]
    return [_replace(axes, axis, part) for part in np.split(ids, ends)]


def take_range(
    table: IdTable,
    outputs: list[Tensor],
    x: Tensor,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> list[Axes]:
    """Take a range of an axis."""
    axes = table.axes(x)
    ids = axes[axis]
    return [axes if ids is None else _replace(axes, axis, ids[start:end:step])]


def _replace(axes: Axes, axis: int, ids: Ids) -> Axes:
    """Return `axes` with other ids on one of them."""
    changed = list(axes)
    changed[axis] = ids
    return tuple(changed)


def permute(table: IdTable, outputs: list[Tensor], x: Tensor, order: Sequence[int]) -> list[Axes]:
    """Reorder the axes."""
    return [tuple(table.axes(x)[axis] for axis in order)]


def transpose(
    table: IdTable, outputs: list[Tensor], x: Tensor, first: int = 0, second: int = -1
) -> list[Axes]:
    """Swap two axes; by default those of a matrix."""
    axes = list(table.axes(x))
    axes[first], axes[second] = axes[second], axes[first]
    return [tuple(axes)]


def pixel_shuffle(table: IdTable, outputs: list[Tensor], x: Tensor, factor: int) -> list[Axes]:
    """Merge factor^2 channels into one."""
    axes = table.axes(x)
    assert axes[1] is not None
    merged = axes[1].reshape(-1, factor * factor)
    for column in merged.T[1:]:
        table.tie(merged[:, 0], column)
    return [_replace(axes, 1, merged[:, 0])]


def reshape(table: IdTable, outputs: list[Tensor], x: Tensor, *_: Any) -> list[Axes]:
    """Join or split axes, in runs that hold the same number of elements before and after."""
    axes: list[Ids | None] = []
    if x.shape == (1,) and outputs[0].ndim > 1:  # a vector with one entry, such as a PReLU slope
        return [(None, *table.axes(x), *[None] * (outputs[0].ndim - 2))]
    for before, after in _runs(x.shape, outputs[0].shape):
        axes += _reshape_run(table, x, before, [outputs[0].shape[axis] for axis in after])
    return [tuple(axes)]


def _runs(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Split the axes of both shapes into the shortest runs whose sizes have the same product."""
    runs: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        before, after = [i][: len(old) - i], [j][: len(new) - j]
        i, j = i + len(before), j + len(after)
        while (a := prod(old[k] for k in before)) != (b := prod(new[k] for k in after)):
            if a < b:
                before.append(i)
                i += 1
            else:
                after.append(j)
                j += 1
        runs.append((before, after))
    return runs


def _reshape_run(
    table: IdTable, x: Tensor, before: list[int], sizes: list[int]
) -> list[Ids | None]:
    """Return the ids of new axes of these sizes, which replace the axes `before` of `x`."""
    if len(before) == len(sizes) == 1:
        return [table.axes(x)[before[0]]]
    old_axes = [(axis, table.axes(x)[axis]) for axis in before]
    with_channels = [(axis, ids) for axis, ids in old_axes if ids is not None and len(ids) > 1]
    for _, ids in old_axes:
        if ids is not None and len(ids) == 1 < max(sizes, default=1):
            table.fix(ids)
    wide = [index for index, size in enumerate(sizes) if size > 1]
    result: list[Ids | None] = [None] * len(sizes)
    if not with_channels:
        return result
    if len(with_channels) > 1 or len(wide) > 1:
        raise ArgumentError(f"channels are reshaped from {tuple(x.shape)} to sizes {sizes}")
    axis, ids = with_channels[0]
    assert ids is not None
    # Along a joined axis every channel repeats once for each element of the other axes.
    shape = [x.shape[other] if other == axis else 1 for other in before]
    repeated = np.broadcast_to(ids.reshape(shape), [x.shape[other] for other in before])
    result[wide[0]] = repeated.reshape(-1)
    return result
