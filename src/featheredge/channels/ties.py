"""Find groups that must keep the same number of units, because one width sets them all.

The configuration of a network of the zoo holds all its widths. So one unit of a group is cut, the
configuration is read off the remaining shapes, and a network is built from it: the groups that are
smaller in this network are tied.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import nn

from featheredge.channels.groups import Group
from featheredge.channels.widths import Shapes, read_config
from featheredge.models.network import Network

#: Names of groups that must keep the same number of units.
Tie: TypeAlias = tuple[str, ...]


def find_ties(network: nn.Module, groups: Mapping[str, Group]) -> list[Tie]:
    """Find the sets of groups that must keep the same number of units.

    Args:
        network: A network of the zoo, or any module that can be traced.
        groups: Its groups, from `find_groups`.

    Returns:
        Names of tied groups, in the network's order. A group that the network's class cannot make
        narrower is in none. In a module that is not of the zoo every group stands alone.
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
    """Yield a few parts of the names that contain every name and separate any two of them.

    If each part can be cut by itself, no groups are tied. This saves building a network for every
    name, which is slow.
    """
    for bit in range(len(names).bit_length()):
        yield tuple(name for number, name in enumerate(names, 1) if number >> bit & 1)


def _shrunk_with(
    network: Network, groups: Mapping[str, Group], names: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the groups that lose a unit in the rebuilt network when `names` lose one.

    Empty if the network cannot be rebuilt, or if anything else changes in it.
    """
    shapes = {tensor: tuple(values.shape) for tensor, values in network.state_dict().items()}
    try:
        config = read_config(network, _one_less(shapes, groups, names))
        with torch.device("meta"):
            twin = type(network)(config)
    except ValueError:  # such as group norms, which must all lose the same number of groups
        return ()
    rebuilt = {tensor: tuple(values.shape) for tensor, values in twin.state_dict().items()}
    shrunk = tuple(
        name
        for name, group in groups.items()
        if all(rebuilt[tensor][axis] < shapes[tensor][axis] for tensor, axis in group.axes)
    )
    return shrunk if rebuilt == _one_less(shapes, groups, shrunk) else ()


def _one_less(shapes: Shapes, groups: Mapping[str, Group], names: Collection[str]) -> Shapes:
    """Return the shapes that remain when each of these groups loses a unit."""
    left = {name: list(shape) for name, shape in shapes.items()}
    for name in names:
        for (tensor, axis), indices in groups[name].axes.items():
            left[tensor][axis] -= indices.shape[1]
    return {name: tuple(shape) for name, shape in left.items()}
