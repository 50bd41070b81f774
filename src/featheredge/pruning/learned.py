"""Channels that training has decided on, read from norms that `training.decay` let decay.

A channel passes through several norms on its way: after the convolution that makes it and after
the depthwise ones behind that. Where any of these hardly varies the channel says the same of every
picture and can be cut. A norm falls silent in two ways: its scale decays, or the kernel before it
does, until what the norm reads varies so little that its `eps` outweighs it.

What a silent channel says, a constant, the norm of the layer that reads it takes off once its
statistics are estimated anew (`training.average.reestimate_norms`): exactly if that layer is 1x1,
up to a rim of a few cells if it pads with zeros.

Shapes: C channels of a norm, U units of a group (see `featheredge.channels.groups.Group`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from featheredge.channels.groups import Group, find_groups
from featheredge.errors import ArgumentError
from featheredge.models.cost import multiply_adds, num_params
from featheredge.models.layer_names import norms_below
from featheredge.models.network import Network

#: Below this spread a channel counts as gone.
THRESHOLD = 1e-4
#: Decades that a histogram covers: float32's smallest number is 1.4e-45.
_DECADES = (-46, 2)


@dataclass(frozen=True)
class Learned:
    """Which channels training has kept.

    Attributes:
        keep: group -> numbers of the units to keep, as `featheredge.channels.cut.cut` takes it.
        sizes: group -> units before.
        gap: decades between the largest spread that is cut and the smallest that is kept. Where
            training has truly decided it is wide, and any threshold in it gives the same network;
            infinite where nothing is cut, or nothing but zeros.
    """

    keep: dict[str, list[int]]
    sizes: dict[str, int]
    gap: float


@dataclass(frozen=True)
class Saving:
    """What a network costs before and after channels were cut.

    Attributes:
        params: numbers that are trained, before and after.
        multiply_adds: for one picture, before and after.
    """

    params: tuple[int, int]
    multiply_adds: tuple[float, float]

    def __str__(self) -> str:
        (params, fewer), (work, less) = self.params, self.multiply_adds
        return (
            f"{params:,} -> {fewer:,} parameters ({fewer / params - 1:+.1%}), "
            f"{work / 1e9:.3f} -> {less / 1e9:.3f} GMAC ({less / work - 1:+.1%})"
        )


def learned_channels(
    network: Network,
    *,
    threshold: float = THRESHOLD,
    layers: Sequence[str] = ("stages",),
    groups: Mapping[str, Group] | None = None,
) -> Learned:
    """Read which channels training has kept: those whose norms all vary by `threshold` or more.

    Of a group that is gone as a whole the strongest unit stays, so that the network holds together.

    The published CSNet looks at the scale in the first norm of each block alone (with 1e-20) and
    so keeps some channels that are gone behind it, or whose kernels are.

    Args:
        network: one whose norms decayed.
        threshold: on the spread, see `norm_spreads`.
        layers: beginnings of the names of the norms that decayed, as in the recipe.
        groups: as `find_groups` gave them for this network, to save a second tracing.

    Raises:
        ArgumentError: the threshold is not positive.
        RecipeError: the network has no norms below one of `layers`.
    """
    if threshold <= 0:
        raise ArgumentError(f"the threshold on norms is {threshold}; expected more than 0")
    spreads = norm_spreads(network, layers)
    strengths = {
        name: strength
        for name, group in (groups or find_groups(network)).items()
        if (strength := _strength(group, spreads)) is not None
    }
    every = np.concatenate(list(strengths.values()))
    return Learned(
        keep={n: _alive(s, threshold) for n, s in strengths.items()},
        sizes={n: len(s) for n, s in strengths.items()},
        gap=_gap(every, threshold),
    )


def saving(before: Network, after: Network, size_px: int) -> Saving:
    """Compare two networks for a picture of `size_px` x `size_px`."""
    work = (_multiply_adds(before, size_px), _multiply_adds(after, size_px))
    return Saving((num_params(before), num_params(after)), work)


def _multiply_adds(network: Network, size_px: int) -> float:
    return multiply_adds(lambda: type(network)(network.config), size_px, size_px)


def norm_spreads(
    network: Network, layers: Sequence[str] = ("stages",)
) -> dict[str, NDArray[np.float64]]:
    """How much the channels of every batch norm below `layers` vary: norm -> (C,).

    That is the standard deviation of what the norm answers, by its running statistics: |scale|
    where its input varies well beyond `eps`, and less where it does not.
    """
    return {name: _spread(norm) for name, norm in norms_below(network, layers).items()}


def spread_histogram(
    spreads: Mapping[str, NDArray[np.float64]], bins_per_decade: int = 2
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many channels there are with spreads of every order of magnitude, for a plot.

    Args:
        spreads: as `norm_spreads` gives them.
        bins_per_decade: bins between two powers of ten.

    Returns:
        (N,) counts and (N + 1,) edges in spread, log-spaced from 1e-46 to 100. Spreads outside,
        zeros above all, count in the first and last bin, so that none is lost.
    """
    low, high = _DECADES
    edges = np.logspace(low, high, (high - low) * bins_per_decade + 1)
    values = np.concatenate(list(spreads.values())).clip(edges[0], edges[-1])
    counts, _ = np.histogram(values, edges)
    return counts, edges


def _spread(norm: nn.BatchNorm2d) -> NDArray[np.float64]:
    assert norm.running_var is not None
    variance = norm.running_var.detach().cpu().double()
    scale = norm.weight.detach().abs().cpu().double()
    spread: NDArray[np.float64] = (scale * (variance / (variance + norm.eps)).sqrt()).numpy()
    return spread


def _alive(strengths: NDArray[np.float64], threshold: float) -> list[int]:
    """The units of a group that stay, at least the strongest."""
    alive: list[int] = np.flatnonzero(strengths >= threshold).tolist()
    return alive or [int(strengths.argmax())]


def _strength(
    group: Group, spreads: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """The least spread that every unit meets on its way, (U,); None if none of its norms decayed.

    A unit of several channels is as strong as the strongest of these.
    """
    met = [
        spreads[norm][indices].max(1)
        for (tensor, _), indices in group.axes.items()
        if (norm := tensor.removesuffix(".weight")) in spreads
    ]
    return np.min(met, 0) if met else None


def _gap(strengths: NDArray[np.float64], threshold: float) -> float:
    """Decades between the strengths on either side of the threshold."""
    cut, kept = strengths[strengths < threshold], strengths[strengths >= threshold]
    if not len(kept) or not cut.max(initial=0):
        return float("inf")
    return float(np.log10(kept.min() / cut.max()))
