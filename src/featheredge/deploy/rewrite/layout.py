"""Change which channels the maps of a graph have, and in which order.

A layout is an array with the index of the old channel at every new position, or -1 for a channel
that no layer reads. Maps that are added or multiplied channel by channel, and the inputs and
outputs of layers that treat every channel alone, must have one layout: they are a group.

Shapes: C channels.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from featheredge.deploy.rewrite.graph import Conv, add_constant, constant, read_conv

Layout: TypeAlias = npt.NDArray[np.int64]

#: Operators on one map that treat every channel alone, and give finite numbers for zeros.
_UNARY = {
    "AveragePool", "Clip", "Elu", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish",
    "Identity", "LeakyRelu", "MaxPool", "Relu", "Resize", "Sigmoid", "Tanh",
}  # fmt: skip
#: Operators on two maps, channel by channel, or on a map and a constant.
_BINARY = {"Add", "Max", "Min", "Mul", "PRelu", "Sub"}


class Groups:
    """The groups of channels of a graph.

    Attributes:
        counts: Value -> number of channels, for every map that belongs to a group.
        joined: Group -> the groups that a concatenation puts one after the other to make it.
        fixed: Groups whose layout cannot change.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self._parents: dict[ir.Value, ir.Value] = {}
        self.counts: dict[ir.Value, int] = {}
        self.joined: dict[ir.Value, list[list[ir.Value]]] = defaultdict(list)
        self.fixed: set[ir.Value] = set()
        joins = []
        for node in graph:
            if _is_join(node) and all(value in self.counts for value in node.inputs):
                self._add(
                    node.outputs[0], sum(self.counts[value] for value in node.inputs if value)
                )
                joins.append(node)
            else:
                self._follow(node)
        for value in graph.outputs:
            self._fix(value)
        for node in joins:
            parts = [self.group(value) for value in node.inputs if value is not None]
            self.joined[self.group(node.outputs[0])].append(parts)
        self.fixed = {self.group(value) for value in self.fixed}
        self._settle()

    def group(self, value: ir.Value) -> ir.Value:
        """Return the value that stands for the group of a value."""
        while self._parents[value] is not value:
            value = self._parents[value]
        return value

    def __contains__(self, value: object) -> bool:
        return value in self._parents

    def __iter__(self) -> Iterator[ir.Value]:
        return iter(dict.fromkeys(self.group(value) for value in self._parents))

    def _follow(self, node: ir.Node) -> None:
        """Add the output of a node, and tie it to its inputs or fix these."""
        conv = read_conv(node)
        known = [value for value in node.inputs if value in self.counts]
        if node.op_type == "Shape" and _sizes_own_map(node):
            return
        if conv is not None and (conv.groups == 1 or conv.is_depthwise):
            self._add(node.outputs[0], len(conv.kernel))
            if conv.is_depthwise and known:
                self._tie(known[0], node.outputs[0])
            return
        if conv is not None:
            self._add(node.outputs[0], len(conv.kernel))
            self._fix(node.outputs[0])
        elif known and _keeps_channels(node) and len({self.counts[value] for value in known}) == 1:
            self._add(node.outputs[0], self.counts[known[0]])
            for value in known:
                self._tie(value, node.outputs[0])
            if _constants_fit(node, self.counts[known[0]], self.counts):
                return
        for value in known:
            self._fix(value)

    def _add(self, value: ir.Value, count: int) -> None:
        self._parents[value], self.counts[value] = value, count

    def _fix(self, value: ir.Value) -> None:
        if value in self._parents:
            self.fixed.add(value)

    def _tie(self, one: ir.Value, other: ir.Value) -> None:
        self._parents[self.group(one)] = self.group(other)

    def _settle(self) -> None:
        """Fix groups that two concatenations make differently, and what fixed groups consist of."""
        for group, joins in self.joined.items():
            if any(parts != joins[0] for parts in joins[1:]):
                self.fixed.add(group)
        pending = list(self.fixed)
        while pending:
            for parts in self.joined.get(pending.pop(), []):
                pending += [part for part in parts if part not in self.fixed]
                self.fixed.update(parts)


def _is_join(node: ir.Node) -> bool:
    return node.op_type == "Concat" and node.attributes.get_int("axis") == 1


def _keeps_channels(node: ir.Node) -> bool:
    """Return whether a node treats every channel alone."""
    if node.op_type == "ReduceMean":
        axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
        kept = node.attributes.get_int("keepdims", 1) == 1
        return kept and axes is not None and set(axes % 4) == {2, 3}
    if node.op_type == "Pad":
        return _pads_space_only(node)
    return node.op_type in _UNARY | _BINARY


def _sizes_own_map(shape: ir.Node) -> bool:
    """Return whether a Shape leaves channels out, or only tells a Resize its own input's number."""
    if shape.attributes.get_int("start", 0) >= 2:
        return True
    joins = [use.node for use in shape.outputs[0].uses()]
    return all(
        join.op_type == "Concat"
        and all(
            use.node.op_type == "Resize" and use.node.inputs[0] is shape.inputs[0]
            for use in join.outputs[0].uses()
        )
        for join in joins
    )


def _pads_space_only(node: ir.Node) -> bool:
    """Return whether a Pad of four axes leaves the first two alone."""
    pads = node.inputs[1]
    known = constant(pads)
    if known is not None:
        return len(known) == 8 and not known[[0, 1, 4, 5]].any()
    join = None if pads is None else pads.producer()
    if join is None or join.op_type != "Concat" or len(join.inputs) != 8:
        return False
    parts = [constant(join.inputs[index]) for index in (0, 1, 4, 5)]
    return all(part is not None and not part.any() for part in parts)


def _constants_fit(node: ir.Node, count: int, maps: dict[ir.Value, int]) -> bool:
    """Return whether all operands that are no maps are constants, one number or one a channel."""
    if node.op_type not in _BINARY:
        return True
    for value in node.inputs:
        if value in maps:
            continue
        array = constant(value)
        if array is None or not (array.size == 1 or _is_per_channel(array, count)):
            return False
    return True


def _is_per_channel(array: npt.NDArray[np.float32], count: int) -> bool:
    return array.ndim >= 3 and array.size == array.shape[-3] == count


def apply_layouts(graph: ir.Graph, groups: Groups, choose: Callable[[ir.Value], Layout]) -> None:
    """Give every group that can change another layout.

    Args:
        graph: The graph to change.
        groups: Its groups.
        choose: Returns the layout of a group, which is neither fixed nor a concatenation.
    """
    layouts: dict[ir.Value, Layout] = {}

    def layout(group: ir.Value) -> Layout:
        if group not in layouts:
            layouts[group] = find(group)
        return layouts[group]

    def find(group: ir.Value) -> Layout:
        if group in groups.fixed:
            return np.arange(groups.counts[group])
        if group not in groups.joined:
            return choose(group)
        parts, start = [], 0
        for part in groups.joined[group][0]:
            old = layout(part)
            parts.append(np.where(old < 0, -1, old + start))
            start += groups.counts[part]
        return np.concatenate(parts)

    for value in groups.counts:
        if value.shape is not None and len(value.shape) == 4:
            value.shape = ir.Shape(
                [*value.shape[:1], len(layout(groups.group(value))), *value.shape[2:]]
            )
    for node in graph:
        conv = read_conv(node)
        if conv is not None and conv.groups == 1:
            _change_conv(conv, node, groups, layout)
        elif conv is not None and conv.is_depthwise and node.outputs[0] in groups:
            new = layout(groups.group(node.outputs[0]))
            if not _is_identity(new, len(conv.kernel)):
                conv.store(take(conv.kernel, new, 0), take(conv.bias, new, 0))
                node.attributes["group"] = ir.AttrInt64("group", len(new))
        elif node.op_type in _BINARY and node.outputs[0] in groups:
            _change_constants(graph, node, layout(groups.group(node.outputs[0])))


def _change_conv(
    conv: Conv, node: ir.Node, groups: Groups, layout: Callable[[ir.Value], Layout]
) -> None:
    """Give a convolution the layouts of its input and output."""
    kernel, bias, x, y = conv.kernel, conv.bias, node.inputs[0], node.outputs[0]
    if x is not None and x in groups:
        kernel = take(kernel, layout(groups.group(x)), 1)
    if y in groups:
        new = layout(groups.group(y))
        kernel, bias = take(kernel, new, 0), take(bias, new, 0)
    if kernel.shape != conv.kernel.shape or not np.array_equal(kernel, conv.kernel):
        conv.store(kernel, bias)


def _change_constants(graph: ir.Graph, node: ir.Node, layout: Layout) -> None:
    """Give the constants of an operator, one number a channel, another layout."""
    for index, value in enumerate(node.inputs):
        array = constant(value)
        if value is None or array is None or array.size == 1 or _is_identity(layout, array.size):
            continue
        new = take(array, layout, array.ndim - 3)
        node.replace_input_with(index, add_constant(graph, value, new))


def _is_identity(layout: Layout, count: int) -> bool:
    return np.array_equal(layout, np.arange(count))


def take(array: npt.NDArray[np.float32], layout: Layout, axis: int) -> npt.NDArray[np.float32]:
    """Return an array with its channels in another layout; new channels are 0."""
    taken = np.take(array, np.maximum(layout, 0), axis)
    np.moveaxis(taken, axis, 0)[layout < 0] = 0
    return taken
