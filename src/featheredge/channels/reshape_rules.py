"""Rules for operations that move values about: joining, cutting, reordering, reshaping.

A rule is called with the labelling, the operation's output tensors and its arguments, and returns
the axes of the outputs; see `featheredge.channels.rules`.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from torch import Tensor

from featheredge.channels.channel_ids import Axes, Labelling, Labels
from featheredge.errors import ArgumentError


def join(
    known: Labelling, outputs: list[Tensor], parts: Sequence[Tensor], axis: int = 0
) -> list[Axes]:
    """Labels strung together; along another axis the parts share their channels."""
    axis %= outputs[0].ndim
    joined: list[Labels | None] = []
    for dim, labels in enumerate(zip(*(known.axes(part) for part in parts), strict=True)):
        if dim == axis and any(own is not None for own in labels):
            sizes = [part.shape[dim] for part in parts]
            strung = [_or_fixed(known, *pair) for pair in zip(labels, sizes, strict=True)]
            joined.append(np.concatenate(strung))
        else:
            joined.append(known.shared(labels))
    return [tuple(joined)]


def _or_fixed(known: Labelling, labels: Labels | None, size: int) -> Labels:
    """The labels of an axis; new ones, that stay, where it has none."""
    if labels is None:
        labels = known.new(size)
        known.fix(labels)
    return labels


def cut_parts(
    known: Labelling, outputs: list[Tensor], x: Tensor, sizes: Any, axis: int = 0
) -> list[Axes]:
    """Labels cut as the tensor is."""
    axes = known.axes(x)
    labels = axes[axis]
    if labels is None:
        return [axes] * len(outputs)
    ends = np.cumsum([output.shape[axis] for output in outputs])[:-1]
    return [_replace(axes, axis, part) for part in np.split(labels, ends)]


def cut_range(
    known: Labelling,
    outputs: list[Tensor],
    x: Tensor,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> list[Axes]:
    """A range of an axis."""
    axes = known.axes(x)
    labels = axes[axis]
    return [axes if labels is None else _replace(axes, axis, labels[start:end:step])]


def _replace(axes: Axes, axis: int, labels: Labels) -> Axes:
    """`axes` with other labels on one of them."""
    changed = list(axes)
    changed[axis] = labels
    return tuple(changed)


def permute(known: Labelling, outputs: list[Tensor], x: Tensor, order: Sequence[int]) -> list[Axes]:
    """Axes in another order."""
    return [tuple(known.axes(x)[axis] for axis in order)]


def transpose(
    known: Labelling, outputs: list[Tensor], x: Tensor, one: int = 0, other: int = -1
) -> list[Axes]:
    """Two axes swapped; the two of a matrix where none are named."""
    axes = list(known.axes(x))
    axes[one], axes[other] = axes[other], axes[one]
    return [tuple(axes)]


def pixel_shuffle(known: Labelling, outputs: list[Tensor], x: Tensor, factor: int) -> list[Axes]:
    """factor^2 channels become one."""
    axes = known.axes(x)
    assert axes[1] is not None
    cells = axes[1].reshape(-1, factor * factor)
    for cell in cells.T[1:]:
        known.tie(cells[:, 0], cell)
    return [_replace(axes, 1, cells[:, 0])]


def reshape(known: Labelling, outputs: list[Tensor], x: Tensor, *_: Any) -> list[Axes]:
    """Axes joined or split, in runs of equally many elements."""
    labels: list[Labels | None] = []
    if x.shape == (1,) and outputs[0].ndim > 1:  # a vector's one entry, such as a slope
        return [(None, *known.axes(x), *[None] * (outputs[0].ndim - 2))]
    for before, after in _runs(x.shape, outputs[0].shape):
        labels += _reshape_run(known, x, before, [outputs[0].shape[axis] for axis in after])
    return [tuple(labels)]


def _runs(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Axes of both shapes, cut into the shortest runs whose sizes multiply to the same number."""
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
    known: Labelling, x: Tensor, before: list[int], sizes: list[int]
) -> list[Labels | None]:
    """The labels of new axes of these sizes, which hold the axes `before` of `x`."""
    if len(before) == len(sizes) == 1:
        return [known.axes(x)[before[0]]]
    held = [(axis, known.axes(x)[axis]) for axis in before]
    labelled = [(axis, own) for axis, own in held if own is not None and len(own) > 1]
    for _, own in held:
        if own is not None and len(own) == 1 < max(sizes, default=1):
            known.fix(own)
    wide = [index for index, size in enumerate(sizes) if size > 1]
    result: list[Labels | None] = [None] * len(sizes)
    if not labelled:
        return result
    if len(labelled) > 1 or len(wide) > 1:
        raise ArgumentError(f"channels are reshaped from {tuple(x.shape)} to sizes {sizes}")
    axis, own = labelled[0]
    assert own is not None
    # Along a joined axis every channel repeats once for each element of the others.
    shape = [x.shape[other] if other == axis else 1 for other in before]
    spread = np.broadcast_to(own.reshape(shape), [x.shape[other] for other in before])
    result[wide[0]] = spread.reshape(-1)
    return result
