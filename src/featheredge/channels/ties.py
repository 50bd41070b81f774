"""Groups of a network of the zoo that can only shrink together, because its class has one width.

A class says all its widths in its configuration, so the groups that go together are found by
cutting one unit of a group, reading the configuration that follows, and looking at what else has
become narrower in the network that it builds.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import nn

from featheredge.channels.groups import Group
from featheredge.channels.widths import Shapes, read_config
from featheredge.models.network import Network

#: Groups that keep equally many units, by name.
Tie: TypeAlias = tuple[str, ...]


def find_ties(network: nn.Module, groups: Mapping[str, Group]) -> list[Tie]:
    """Sets of groups, each to be left with equally many units in all its groups.

    Args:
        network: of the zoo, or any module that can be traced.
        groups: of it, as `find_groups` gave them.

    Returns:
        Names in the network's order. Groups that the class cannot make narrower are in none; of
        modules that are not of the zoo every group is by itself.
    """
    if not isinstance(network, Network):
        return [(name,) for name in groups]
    wide = [name for name in groups if groups[name].size > 1]
    if all(_shrunk_with(network, groups, part) == part for part in _separating(wide)):
        return [(name,) for name in wide]
    ties = {_shrunk_with(network, groups, (name,)) for name in wide}
    equal = [tie for tie in ties if len({groups[name].size for name in tie}) == 1]
    return sorted(equal, key=lambda tie: [*groups].index(tie[0]))


def _separating(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Few parts of the names that hold every name, and of any two in some part only one.

    If all of them can be cut alone there are no ties; building a network for each name is slow.
    """
    for bit in range(len(names).bit_length()):
        yield tuple(name for number, name in enumerate(names, 1) if number >> bit & 1)


def _shrunk_with(
    network: Network, groups: Mapping[str, Group], names: tuple[str, ...]
) -> tuple[str, ...]:
    """The groups that the class makes narrower by a unit when these lose one; none if more is."""
    shapes = {tensor: tuple(values.shape) for tensor, values in network.state_dict().items()}
    try:
        config = read_config(network, _one_less(shapes, groups, names))
        with torch.device("meta"):
            twin = type(network)(config)
    except ValueError:  # such as group norms that must all lose equally many groups
        return ()
    made = {tensor: tuple(values.shape) for tensor, values in twin.state_dict().items()}
    shrunk = tuple(
        name
        for name, group in groups.items()
        if all(made[tensor][axis] < shapes[tensor][axis] for tensor, axis in group.axes)
    )
    return shrunk if made == _one_less(shapes, groups, shrunk) else ()


def _one_less(shapes: Shapes, groups: Mapping[str, Group], names: Collection[str]) -> Shapes:
    """The shapes that are left when each of these groups loses a unit."""
    left = {name: list(shape) for name, shape in shapes.items()}
    for name in names:
        for (tensor, axis), indices in groups[name].axes.items():
            left[tensor][axis] -= indices.shape[1]
    return {name: tuple(shape) for name, shape in left.items()}
