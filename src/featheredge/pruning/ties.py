"""Groups of a network of the zoo that can only shrink together, because its class has one width.

A class says all its widths in its configuration, so the groups that go together are found by
cutting one unit of a group, reading the configuration that follows, and looking at what else has
become narrower in the network that it builds.
"""

from collections.abc import Collection, Mapping

import torch
from torch import nn

from featheredge.models.network import Network
from featheredge.pruning.trace import Group
from featheredge.pruning.widths import Shapes, read_config


def find_ties(network: nn.Module, groups: Mapping[str, Group]) -> list[tuple[str, ...]]:
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
    ties = {_shrunk_with(network, groups, name) for name in groups}
    equal = [tie for tie in ties if len({groups[name].size for name in tie}) == 1]
    return sorted(equal, key=lambda tie: [*groups].index(tie[0]))


def _shrunk_with(network: Network, groups: Mapping[str, Group], name: str) -> tuple[str, ...]:
    """The groups that the class makes narrower by a unit when one loses it; none if more is."""
    if groups[name].size == 1:
        return ()
    shapes = {tensor: tuple(values.shape) for tensor, values in network.state_dict().items()}
    try:
        config = read_config(network, _one_less(shapes, groups, (name,)))
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
