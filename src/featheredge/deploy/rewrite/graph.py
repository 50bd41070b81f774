"""Read and edit ONNX graphs: constants, convolutions, and nodes put in place of others.

Shapes: C channels, k kernel size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

Array: TypeAlias = npt.NDArray[np.float32]


def constant(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """Return the value of a constant, or None if it depends on the input."""
    if value is None:
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def add_constant(graph: ir.Graph, near: ir.Value, array: npt.NDArray[Any]) -> ir.Value:
    """Add a constant to the graph, named after a value; the name has no dot, see `is_parameter`."""
    stem = f"{near.name}".replace(".", "_")
    number = sum(name.startswith(f"{stem}_const") for name in graph.initializers)
    value = ir.Value(
        name=f"{stem}_const{number}", const_value=ir.tensor(np.ascontiguousarray(array))
    )
    graph.register_initializer(value)
    return value


def only_user(value: ir.Value) -> ir.Node | None:
    """Return the node that reads a value, or None if there are several or it is an output."""
    users = [use.node for use in value.uses()]
    return None if value.is_graph_output() or len(users) != 1 else users[0]


def replace(
    old: ir.Node, op_type: str, inputs: Sequence[ir.Value | None], **attributes: Any
) -> ir.Value:
    """Put a new node in the place of an old one with one output; return its output."""
    new = insert_before(old, op_type, inputs, old.outputs[0], **attributes)
    give_users(old, new)
    return new


def insert_before(
    place: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    like: ir.Value,
    **attributes: Any,
) -> ir.Value:
    """Insert a node before another.

    Args:
        place: The node before which it is inserted.
        op_type: Its ONNX operator.
        inputs: Its inputs.
        like: A value of the type and shape of its output.
        attributes: Its attributes.

    Returns:
        Its output.
    """
    graph = place.graph
    assert isinstance(graph, ir.Graph)
    node = ir.node(op_type, inputs, attributes)
    output = node.outputs[0]
    output.type = like.type
    output.shape = like.shape.copy() if like.shape is not None else None
    graph.insert_before(place, node)
    return output


def give_users(old: ir.Node, value: ir.Value) -> None:
    """Give the users of a node's output another value, and remove the node."""
    output = old.outputs[0]
    name, graph = output.name, old.graph
    assert isinstance(graph, ir.Graph)
    ir.convenience.replace_all_uses_with(output, value, replace_graph_outputs=True)
    graph.remove(old, safe=True)
    if value.producer() is not None and not value.is_graph_input():
        value.name = name


@dataclass
class Conv:
    """A convolution with constant kernel and bias.

    Attributes:
        node: Its node.
        kernel: (C_out, C_in / groups, k, k).
        bias: (C_out,); zeros if the node has none.
    """

    node: ir.Node
    kernel: Array
    bias: Array

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.node.attributes.get_int("group", 1))

    @property
    def is_depthwise(self) -> bool:
        """Whether every output channel reads the input channel of the same index alone."""
        return self.groups == len(self.kernel) > 1 and self.kernel.shape[1] == 1

    @property
    def is_pointwise(self) -> bool:
        """Whether it is 1x1, of one group, with stride 1 and no padding."""
        attributes = self.node.attributes
        steps = attributes.get_ints("strides", (1, 1))
        return (
            self.groups == 1
            and self.kernel.shape[2:] == (1, 1)
            and tuple(steps) == (1, 1)
            and not any(attributes.get_ints("pads", (0,)))
        )

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of its node."""
        return {name: attribute.value for name, attribute in self.node.attributes.items()}

    def store(self, kernel: Array, bias: Array) -> None:
        """Give the node another kernel and bias."""
        graph, near = self.node.graph, self.node.outputs[0]
        assert isinstance(graph, ir.Graph)
        self.kernel, self.bias = kernel, bias
        self.node.resize_inputs(3)
        self.node.replace_input_with(1, add_constant(graph, near, self.kernel))
        self.node.replace_input_with(2, add_constant(graph, near, self.bias))


def read_conv(node: ir.Node | None) -> Conv | None:
    """Return a node as a convolution with constant kernel and bias, or None if it is none."""
    if node is None or node.op_type != "Conv" or node.domain not in ("", "ai.onnx"):
        return None
    kernel = constant(node.inputs[1])
    if kernel is None or kernel.ndim != 4:
        return None
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return Conv(node, kernel, np.zeros(len(kernel), np.float32))
    bias = constant(node.inputs[2])
    return None if bias is None else Conv(node, kernel, bias)


def add_conv(
    place: ir.Node,
    x: ir.Value,
    kernel: Array,
    bias: Array,
    like: ir.Value,
    attributes: Mapping[str, Any],
) -> ir.Value:
    """Insert a convolution before a node; see `insert_before`."""
    graph = place.graph
    assert isinstance(graph, ir.Graph)
    weights = (add_constant(graph, like, a.astype(np.float32)) for a in (kernel, bias))
    return insert_before(place, "Conv", [x, *weights], like, **attributes)
