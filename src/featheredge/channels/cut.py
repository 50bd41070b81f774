"""Cut channels out of a network.

The smaller network computes the same function as the original with these channels set to zero.

Shapes: B batch, C channels, H W pixels. Units are numbered from 0, see
`featheredge.channels.groups.Group`.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from featheredge.channels.groups import Group, check_example, find_groups
from featheredge.channels.widths import read_config
from featheredge.errors import ArgumentError
from featheredge.models.csf import CSF
from featheredge.models.csnet import CSNet
from featheredge.models.network import Network

N = TypeVar("N", bound=nn.Module)
_Z = TypeVar("_Z", bound=Network)

_HARD_CODED = (
    "the forward of {} does not follow the widths of its layers; read widths from the layers or "
    "tensors instead of writing them as constants"
)


def cut(
    network: N,
    keep: Mapping[str, Sequence[int]],
    *,
    groups: Mapping[str, Group] | None = None,
    example: Tensor | None = None,
) -> N:
    """Return a copy of `network` that has only the kept channels.

    The copy computes what `network` computes with all other channels set to zero after norm and
    activation.

    Args:
        network: A network of the zoo, or any module that can be traced.
        keep: Group -> numbers of the units to keep, from 0 to its size - 1. Groups that are not
            named stay whole. Networks with learned widths per scale (CSNet, CSF) may lose all units
            of a group.
        groups: The groups of this network from `find_groups`, to save a second tracing.
        example: (B, C, H, W) float input to trace a module that is not of the zoo.

    Returns:
        For a network of the zoo: one of the same class with smaller widths in its configuration.
        For any other module: a copy with smaller layers. Device and mode stay the same.

    Raises:
        ArgumentError: A group is unknown, a unit is out of range or named twice, or the network's
            class cannot have these widths, such as different ones for layers that share a width.
    """
    check_example(network, example)
    if groups is None:
        groups = find_groups(network, example)
    dropped = {name: _dropped(name, units, groups) for name, units in keep.items()}
    empty = [name for name, units in keep.items() if not units]
    if empty and not isinstance(network, (CSF, CSNet)):
        raise ArgumentError(
            f"keep has no units for {', '.join(empty)}; keep at least one unit of each"
        )
    state = _without(network.state_dict(), groups, dropped)
    if isinstance(network, Network):
        return _rebuild(network, state)
    assert example is not None
    sizes = [group.size - len(dropped.get(name, ())) for name, group in groups.items()]
    return _shrink(network, state, sizes, example)


def _dropped(name: str, keep: Sequence[int], groups: Mapping[str, Group]) -> list[int]:
    """Check the units to keep and return the others."""
    if name not in groups:
        raise ArgumentError(f"unknown group {name!r}; choose from {', '.join(groups)}")
    size, kept = groups[name].size, set(keep)
    if len(kept) != len(keep) or not kept <= set(range(size)):
        raise ArgumentError(
            f"{name} has units 0 to {size - 1}, each may be kept once; got {sorted(keep)}"
        )
    return [unit for unit in range(size) if unit not in kept]


def _without(
    state: Mapping[str, Tensor], groups: Mapping[str, Group], dropped: Mapping[str, list[int]]
) -> dict[str, Tensor]:
    """Return the network's tensors without the dropped units."""
    masks: dict[tuple[str, int], Tensor] = {}
    for name, units in dropped.items():
        for (tensor, axis), indices in groups[name].axes.items():
            whole = torch.ones(state[tensor].shape[axis], dtype=torch.bool)
            mask = masks.setdefault((tensor, axis), whole)
            mask[indices[units].reshape(-1)] = False
    cut = dict(state)
    for (tensor, axis), mask in masks.items():
        kept = mask.nonzero()[:, 0].to(cut[tensor].device)
        cut[tensor] = cut[tensor].index_select(axis, kept)
    return cut


def _rebuild(network: _Z, state: Mapping[str, Tensor]) -> _Z:
    """Build a network of the same class with these tensors."""
    # A layer that has lost all its channels does not exist; the others keep their order.
    removed = {name.rpartition(".")[0] for name, tensor in state.items() if tensor.numel() == 0}
    left = {k: v for k, v in state.items() if k.rpartition(".")[0] not in removed}
    try:
        config = read_config(network, {name: tuple(x.shape) for name, x in left.items()})
        smaller = type(network)(config)
    except ValueError as cause:
        raise ArgumentError(
            f"{type(network).__name__} cannot have these widths: {cause}"
        ) from cause
    expected = smaller.state_dict()
    _compare(type(network).__name__, expected, left)
    # By position, because names number the scales: they change when a scale is removed.
    smaller.load_state_dict(dict(zip(expected, left.values(), strict=True)))
    return smaller.train(network.training).to(next(iter(left.values())).device)


def _compare(kind: str, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Refuse tensors that do not fit the network that is built from the widths read off them."""
    for (name, wanted), (old, found) in zip(expected.items(), state.items(), strict=False):
        if wanted.shape != found.shape:
            raise ArgumentError(
                f"{old} has {tuple(found.shape)} left, but {name} of {kind} must have "
                f"{tuple(wanted.shape)}; keep the same number of units in groups that share a "
                "width, and all units of groups with a constant width"
            )
    if len(expected) != len(state):
        raise ArgumentError(f"a layer that {kind} needs has no channels left; keep at least one")


def _shrink(network: N, state: Mapping[str, Tensor], sizes: list[int], example: Tensor) -> N:
    """Copy a module with these tensors in its layers; its groups must then have these `sizes`."""
    copy = deepcopy(network)
    for name, layer in copy.named_modules():
        prefix = f"{name}." if name else ""
        for key, old in [*layer.named_parameters(recurse=False)]:
            new = nn.Parameter(state[prefix + key].clone(), requires_grad=old.requires_grad)
            setattr(layer, key, new)
        for key, _ in [*layer.named_buffers(recurse=False)]:
            if prefix + key in state:
                setattr(layer, key, state[prefix + key].clone())
        _update_widths(layer)
    try:
        found = [group.size for group in find_groups(copy, example).values()]
    except (RuntimeError, ValueError) as cause:
        raise ArgumentError(f"{_HARD_CODED.format(type(network).__name__)}: {cause}") from cause
    # With one channel left, a depthwise layer is an ordinary one, and the groups differ.
    if min(sizes, default=1) > 1 and found != sizes:
        raise ArgumentError(_HARD_CODED.format(type(network).__name__))
    return copy


def _update_widths(layer: nn.Module) -> None:
    """Set a layer's width attributes from the shapes of its tensors."""
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
