"""Group channels that must be removed together.

One forward pass is followed operation by operation. A sum ties the channels of its terms, a
convolution ties the columns of its kernel to the channels that it reads, a concatenation puts
channels side by side, and so on (`featheredge.channels.rules`). No network is described in
advance, and a forward may have any branches.

Shapes: B batch, C channels, H W pixels.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

from featheredge.channels.channel_ids import Ids, IdTable
from featheredge.channels.rules import RULES
from featheredge.errors import ArgumentError
from featheredge.models.network import Network


@dataclass(frozen=True)
class Group:
    """Units that can be cut one by one, each from every tensor that holds its channels.

    A unit is the smallest set of channels that can be removed. It has one channel of every tensor,
    or several if the structure requires it: the channels that share the mean of a group norm, or
    one channel of each group of a convolution.

    Attributes:
        name: The layer that produces the channels; the first one if there are several.
        size: Number of units.
        axes: (tensor, axis) -> (size, n) int64 indices along that axis, n channels per unit. Axis 0
            of a kernel produces channels, axis 1 reads them.
    """

    name: str
    size: int
    axes: Mapping[tuple[str, int], NDArray[np.int64]]

    def readers(self) -> list[str]:
        """Return the layers whose kernels read the channels, in the network's order."""
        return [tensor.removesuffix(".weight") for tensor, axis in self.axes if axis == 1]


def find_groups(network: nn.Module, example: Tensor | None = None) -> dict[str, Group]:
    """Find the groups of channels that can be cut from a network.

    Args:
        network: A network of the zoo, or any module whose forward takes and returns tensors.
        example: (B, C, H, W) float input to run it on; optional for networks of the zoo.

    Returns:
        Group name -> group, in the network's order.

    Raises:
        ArgumentError: A module that is not of the zoo has no example, or an operation mixes
            channels in a way that no rule describes; the message names the layer.
    """
    if example is None:
        check_example(network, example)
        assert isinstance(network, Network)
        device = next(network.parameters()).device
        example = torch.zeros(1, 3, 2 * network.stride, 2 * network.stride, device=device)
    copy = deepcopy(network).eval()
    table = IdTable(copy)
    _watch(copy, example, table)
    return _groups(table)


def check_example(network: nn.Module, example: Tensor | None) -> None:
    """Refuse to trace a module that is not of the zoo without an example.

    Raises:
        ArgumentError: It has no example.
    """
    if example is None and not isinstance(network, Network):
        raise ArgumentError(
            f"{type(network).__name__} is not a network of the zoo and needs an example to be "
            "traced with; give example=, a tensor (B, C, H, W)"
        )


def _watch(network: nn.Module, example: Tensor, table: IdTable) -> None:
    """Run `network` on `example` and record what happens to the ids."""
    channels = table.new(example.shape[1])
    table.fix(channels)
    table.set(example, (None, channels, None, None))
    with torch.no_grad(), ModuleTracker() as tracker, _Watch(table, tracker):
        output = network(example)
    for tensor in _tensors(output):
        for ids in table.axes(tensor):
            table.fix(ids)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows channel ids through every operation inside its `with` block."""

    def __init__(self, table: IdTable, tracker: ModuleTracker) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._table, self._tracker = table, tracker

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        axes = (axis for x in _tensors(args) for axis in self._table.axes(x))
        if any(ids is not None for ids in axes):
            self._follow(func.overloadpacket.__name__, list(_tensors(result)), args, kwargs or {})
        return result

    def _follow(self, operation: str, outputs: list[Tensor], args: Any, kwargs: Any) -> None:
        try:
            if operation not in RULES:
                raise ArgumentError(f"no rule for the operation {operation}")
            axes = RULES[operation](self._table, outputs, *args, **kwargs)
        except ArgumentError as cause:
            place = max(self._tracker.parents - {"Global"}, key=len, default="the network")
            raise ArgumentError(
                f"cannot follow channels through {place}: {cause}; remove that module, or write it "
                "with convolutions, sums and concatenations"
            ) from None
        # Operations such as max pooling also return indices; rules describe the map alone.
        for tensor, ids in zip(outputs, axes, strict=False):
            self._table.set(tensor, ids)


def _groups(table: IdTable) -> dict[str, Group]:
    """Group the units that have the same number of channels on the same axes."""
    units = _units(table)
    members: dict[int, list[tuple[str, int, int]]] = {}
    for (tensor, axis), ids in table.state_ids.items():
        for index, unit in enumerate(units[ids]):
            if unit >= 0:
                members.setdefault(unit, []).append((tensor, axis, index))
    families: dict[frozenset[Any], list[list[tuple[str, int, int]]]] = {}
    for places in members.values():
        counts = Counter((tensor, axis) for tensor, axis, _ in places)
        families.setdefault(frozenset(counts.items()), []).append(places)
    groups = [_group(family, table) for family in families.values()]
    return {group.name: group for group in groups}


def _units(table: IdTable) -> Ids:
    """Return the unit number of every id; -1 if it is fixed or no layer produces it."""
    first, second = (
        np.concatenate([table.new(0), *(pair[side] for pair in table.ties)]) for side in (0, 1)
    )
    graph = coo_array(
        (np.ones(len(first), bool), (first, second)), shape=(table.count, table.count)
    )
    count, unit = connected_components(graph, directed=False)
    free = np.zeros(count, bool)
    free[unit[np.concatenate(table.produced)]] = True
    free[unit[np.concatenate(table.fixed)]] = False
    numbers: Ids = np.where(free[unit], unit, -1)
    return numbers


def _group(family: Sequence[Sequence[tuple[str, int, int]]], table: IdTable) -> Group:
    """Make a group from the places of its units, in the order of the network's tensors."""
    flat: dict[tuple[str, int], list[int]] = {}
    for tensor, axis, index in chain.from_iterable(family):
        flat.setdefault((tensor, axis), []).append(index)
    axes = {key: np.array(indices).reshape(len(family), -1) for key, indices in flat.items()}
    tensor, axis = next(key for key in axes if key[1] == 0)
    name, places = tensor.removesuffix(".weight"), axes[tensor, axis]
    if places.size < len(table.state_ids[tensor, axis]):
        name += f"[{places.min()}:{places.max() + 1}]"
    return Group(name, len(family), axes)


def _tensors(value: object) -> Iterator[Tensor]:
    """Yield all tensors in nested sequences and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _tensors(item)
