"""Coupled channels of a network, found by watching one forward pass operation by operation.

A sum ties the channels of its terms, a convolution ties its kernel's columns to the channels that
it reads, a concatenation strings channels together, and so on (`featheredge.channels.rules`).
Nothing is known of any network in advance, and its forward may branch as it likes.
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

from featheredge.channels.channel_ids import Labelling, Labels
from featheredge.channels.rules import RULES
from featheredge.errors import ArgumentError
from featheredge.models.network import Network


@dataclass(frozen=True)
class Group:
    """Channels that can be cut one by one, each from every tensor that holds it.

    A unit is what goes at once: one channel of every tensor, or several where the structure asks
    for it (the channels that share a group norm's mean, or one of each group of a convolution).

    Attributes:
        name: the layer that makes the channels, the first of them where several do.
        size: units.
        axes: (tensor, axis) -> (size, n) indices along it, n channels per unit. Axis 0 of a
            kernel makes channels, axis 1 reads them.
    """

    name: str
    size: int
    axes: Mapping[tuple[str, int], NDArray[np.int64]]

    def readers(self) -> list[str]:
        """The layers whose kernels read the channels, in the network's order."""
        return [tensor.removesuffix(".weight") for tensor, axis in self.axes if axis == 1]


def find_groups(network: nn.Module, example: Tensor | None = None) -> dict[str, Group]:
    """The groups of channels that can be cut from a network, by name.

    Args:
        network: of the zoo, or any module whose forward takes and returns tensors.
        example: (B, C, H, W) to run it on; may be left out for networks of the zoo.

    Raises:
        ArgumentError: no example for a module that is not of the zoo, or an operation in it that
            mixes channels in a way that is not known here; the layer is named.
    """
    if example is None:
        if not isinstance(network, Network):
            raise ArgumentError(f"{type(network).__name__} needs an example to be traced with")
        device = next(network.parameters()).device
        example = torch.zeros(1, 3, 2 * network.stride, 2 * network.stride, device=device)
    copy = deepcopy(network).eval()
    known = Labelling(copy)
    _watch(copy, example, known)
    return _groups(known)


def _watch(network: nn.Module, example: Tensor, known: Labelling) -> None:
    """Run `network` on `example` and note what happens to the labels."""
    channels = known.new(example.shape[1])
    known.fix(channels)
    known.set(example, (None, channels, None, None))
    with torch.no_grad(), ModuleTracker() as tracker, _Watch(known, tracker):
        output = network(example)
    for tensor in _tensors(output):
        for labels in known.axes(tensor):
            known.fix(labels)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows labels through every operation while it is entered."""

    def __init__(self, known: Labelling, tracker: ModuleTracker) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known, self._tracker = known, tracker

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        axes = (axis for x in _tensors(args) for axis in self._known.axes(x))
        if any(labels is not None for labels in axes):
            self._follow(func.overloadpacket.__name__, list(_tensors(result)), args, kwargs or {})
        return result

    def _follow(self, operation: str, outputs: list[Tensor], args: Any, kwargs: Any) -> None:
        try:
            if operation not in RULES:
                raise ArgumentError(f"the operation {operation} is not known")
            axes = RULES[operation](self._known, outputs, *args, **kwargs)
        except ArgumentError as cause:
            place = max(self._tracker.parents - {"Global"}, key=len, default="the network")
            raise ArgumentError(
                f"channels cannot be followed through {place}: {cause}; leave that module out, or "
                "write it with convolutions, sums and concatenations"
            ) from None
        # Operations such as pooling return indices beside the map; rules are about the map.
        for tensor, labels in zip(outputs, axes, strict=False):
            self._known.set(tensor, labels)


def _groups(known: Labelling) -> dict[str, Group]:
    """Units that lie on the same axes in the same way are a group."""
    units = _units(known)
    members: dict[int, list[tuple[str, int, int]]] = {}
    for (tensor, axis), labels in known.stored.items():
        for index, unit in enumerate(units[labels]):
            if unit >= 0:
                members.setdefault(unit, []).append((tensor, axis, index))
    alike: dict[frozenset[Any], list[list[tuple[str, int, int]]]] = {}
    for places in members.values():
        counts = Counter((tensor, axis) for tensor, axis, _ in places)
        alike.setdefault(frozenset(counts.items()), []).append(places)
    groups = [_group(family, known) for family in alike.values()]
    return {group.name: group for group in groups}


def _units(known: Labelling) -> Labels:
    """Label -> number of its unit; -1 for channels that stay and for axes that nothing makes."""
    one, other = (
        np.concatenate([known.new(0), *(pair[side] for pair in known.ties)]) for side in (0, 1)
    )
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(known.count, known.count))
    count, unit = connected_components(graph, directed=False)
    free = np.zeros(count, bool)
    free[unit[np.concatenate(known.made)]] = True
    free[unit[np.concatenate(known.fixed)]] = False
    numbers: Labels = np.where(free[unit], unit, -1)
    return numbers


def _group(family: Sequence[Sequence[tuple[str, int, int]]], known: Labelling) -> Group:
    """A group from the places of its units, given in the order of the network's tensors."""
    flat: dict[tuple[str, int], list[int]] = {}
    for tensor, axis, index in chain.from_iterable(family):
        flat.setdefault((tensor, axis), []).append(index)
    axes = {key: np.array(indices).reshape(len(family), -1) for key, indices in flat.items()}
    tensor, axis = next(key for key in axes if key[1] == 0)
    name, places = tensor.removesuffix(".weight"), axes[tensor, axis]
    if places.size < len(known.stored[tensor, axis]):
        name += f"[{places.min()}:{places.max() + 1}]"
    return Group(name, len(family), axes)


def _tensors(value: object) -> Iterator[Tensor]:
    """All tensors in nested sequences and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _tensors(item)
