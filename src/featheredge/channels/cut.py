"""Cutting channels out of a network: the same function as with them set to zero, but smaller.

Shapes: `keep` holds numbers of units, see `featheredge.channels.groups.Group`.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from featheredge.channels.groups import Group, find_groups
from featheredge.channels.widths import read_config
from featheredge.errors import ArgumentError
from featheredge.models.csf import CSF
from featheredge.models.csnet import CSNet
from featheredge.models.network import Network

N = TypeVar("N", bound=nn.Module)
_Z = TypeVar("_Z", bound=Network)

_HARD_CODED = "the forward of {} does not follow its layers' widths, which it must not assume"


def cut(
    network: N,
    keep: Mapping[str, Sequence[int]],
    *,
    groups: Mapping[str, Group] | None = None,
    example: Tensor | None = None,
) -> N:
    """A copy of `network` without the channels that are not kept.

    It computes what `network` does with the others set to zero after norm and activation.

    Args:
        network: of the zoo, or any module that can be traced.
        keep: group -> numbers of the units to keep, from 0 to its size; groups that are not named
            stay whole. Networks with learned widths per scale (CSNet, CSF) may lose all of one.
        groups: as `find_groups` gave them for this network, to save a second tracing.
        example: (B, C, H, W) to trace a module with that is not of the zoo.

    Returns:
        For a network of the zoo one of the same class with smaller widths in its configuration;
        else a copy of the module with smaller layers. On the same device, in the same mode.

    Raises:
        ArgumentError: an unknown group, a unit out of range or named twice, or widths that the
            network's class cannot have, such as unequal ones for layers that share one.
    """
    if example is None and not isinstance(network, Network):
        raise ArgumentError(f"{type(network).__name__} needs an example to be traced with")
    if groups is None:
        groups = find_groups(network, example)
    dropped = {name: _dropped(name, units, groups) for name, units in keep.items()}
    empty = [name for name, units in keep.items() if not units]
    if empty and not isinstance(network, (CSF, CSNet)):
        raise ArgumentError(f"nothing is left of {', '.join(empty)}; keep at least one unit")
    state = _without(network.state_dict(), groups, dropped)
    if isinstance(network, Network):
        return _rebuild(network, state)
    assert example is not None
    sizes = [group.size - len(dropped.get(name, ())) for name, group in groups.items()]
    return _shrink(network, state, sizes, example)


def _dropped(name: str, keep: Sequence[int], groups: Mapping[str, Group]) -> list[int]:
    """The units that go, after checking those that stay."""
    if name not in groups:
        raise ArgumentError(
            f"no group of channels is called {name!r}; there are {', '.join(groups)}"
        )
    size, stay = groups[name].size, set(keep)
    if len(stay) != len(keep) or not stay <= set(range(size)):
        raise ArgumentError(
            f"{name} has units 0 to {size - 1}, each to be kept once; got {sorted(keep)}"
        )
    return [unit for unit in range(size) if unit not in stay]


def _without(
    state: Mapping[str, Tensor], groups: Mapping[str, Group], dropped: Mapping[str, list[int]]
) -> dict[str, Tensor]:
    """The network's tensors without the units that go."""
    stays: dict[tuple[str, int], Tensor] = {}
    for name, units in dropped.items():
        for (tensor, axis), indices in groups[name].axes.items():
            every = torch.ones(state[tensor].shape[axis], dtype=torch.bool)
            mask = stays.setdefault((tensor, axis), every)
            mask[indices[units].reshape(-1)] = False
    cut = dict(state)
    for (tensor, axis), mask in stays.items():
        kept = mask.nonzero()[:, 0].to(cut[tensor].device)
        cut[tensor] = cut[tensor].index_select(axis, kept)
    return cut


def _rebuild(network: _Z, state: Mapping[str, Tensor]) -> _Z:
    """A network of the same class with these tensors."""
    # A layer that has lost all its channels is not there; the others keep their order.
    gone = {name.rpartition(".")[0] for name, tensor in state.items() if tensor.numel() == 0}
    left = {k: v for k, v in state.items() if k.rpartition(".")[0] not in gone}
    try:
        config = read_config(network, {name: tuple(x.shape) for name, x in left.items()})
        smaller = type(network)(config)
    except ValueError as cause:
        raise ArgumentError(f"no {type(network).__name__} has these widths: {cause}") from cause
    own = smaller.state_dict()
    _compare(type(network).__name__, own, left)
    # By position: names count the scales that are there, so they change when one goes.
    smaller.load_state_dict(dict(zip(own, left.values(), strict=True)))
    return smaller.train(network.training).to(next(iter(left.values())).device)


def _compare(kind: str, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Refuse tensors that do not fit the network that the widths read off them make."""
    for (name, want), (old, have) in zip(wanted.items(), state.items(), strict=False):
        if want.shape != have.shape:
            raise ArgumentError(
                f"{kind} has one width, or a constant one, where {old} is left with "
                f"{tuple(have.shape)} and {name} wants {tuple(want.shape)}; keep equally many "
                "units in groups that share a width, and all where it is constant"
            )
    if len(wanted) != len(state):
        raise ArgumentError(f"a layer that {kind} needs has no channels left; keep at least one")


def _shrink(network: N, state: Mapping[str, Tensor], sizes: list[int], example: Tensor) -> N:
    """A copy of any module with these tensors in its layers; `sizes` are what groups must have."""
    copy = deepcopy(network)
    for name, layer in copy.named_modules():
        prefix = f"{name}." if name else ""
        for key, old in [*layer.named_parameters(recurse=False)]:
            new = nn.Parameter(state[prefix + key].clone(), requires_grad=old.requires_grad)
            setattr(layer, key, new)
        for key, _ in [*layer.named_buffers(recurse=False)]:
            if prefix + key in state:
                setattr(layer, key, state[prefix + key].clone())
        _tell_width(layer)
    try:
        found = [group.size for group in find_groups(copy, example).values()]
    except (RuntimeError, ValueError) as cause:
        raise ArgumentError(f"{_HARD_CODED.format(type(network).__name__)}: {cause}") from cause
    # With a single channel left, depthwise layers are ordinary ones and the groups differ.
    if min(sizes, default=1) > 1 and found != sizes:
        raise ArgumentError(_HARD_CODED.format(type(network).__name__))
    return copy


def _tell_width(layer: nn.Module) -> None:
    """Bring a layer's own idea of its widths up to date with its tensors."""
    if isinstance(layer, nn.modules.conv._ConvNd):
        rows, columns = layer.weight.shape[:2]
        if layer.groups == layer.in_channels:  # depthwise: every channel is a group
            layer.groups = layer.groups * rows // layer.out_channels
        if layer.transposed:
            rows, columns = columns, rows
        layer.in_channels, layer.out_channels = columns * layer.groups, rows
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.weight is not None:
        layer.num_features = len(layer.weight)
    elif isinstance(layer, nn.GroupNorm) and layer.weight is not None:
        layer.num_groups = layer.num_groups * len(layer.weight) // layer.num_channels
        layer.num_channels = len(layer.weight)
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(layer.weight)
