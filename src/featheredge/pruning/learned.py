"""Find the channels that training with norm decay has kept (`featheredge.training.norm_decay`).

A channel passes through several norms: after the convolution that produces it, and after the
depthwise ones that follow. If the output of any of these hardly varies, the channel is constant
over all pictures and can be cut. This happens in two ways: the scale of the norm decays, or the
kernel before it does, until the variance of the norm's input is small compared with its `eps`.

The norm of the layer that reads a constant channel removes the constant once its statistics are
estimated again (`featheredge.training.average.reestimate_norms`). This is exact if that layer is
1x1; if it pads with zeros, a few cells at the border differ.

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

#: A channel with a smaller spread is cut.
THRESHOLD = 1e-4
#: Powers of ten that a histogram covers: float32's smallest number is 1.4e-45.
_DECADES = (-46, 2)


@dataclass(frozen=True)
class Learned:
    """The channels that training has kept.

    Attributes:
        keep: Group -> numbers of the units to keep, for `featheredge.channels.cut.cut`.
        sizes: Group -> number of units before.
        gap: Powers of ten between the largest spread that is cut and the smallest that is kept. If
            training separates the channels clearly, it is wide, and any threshold inside it gives
            the same network. Infinite if nothing is cut, or only spreads of 0.
    """

    keep: dict[str, list[int]]
    sizes: dict[str, int]
    gap: float


@dataclass(frozen=True)
class Saving:
    """The cost of a network before and after channels are cut.

    Attributes:
        params: Number of parameters, before and after.
        multiply_adds: Multiply-adds for one picture, before and after.
    """

    params: tuple[int, int]
    multiply_adds: tuple[float, float]

    def __str__(self) -> str:
        (params, params_left), (macs, macs_left) = self.params, self.multiply_adds
        return (
            f"{params:,} -> {params_left:,} parameters ({params_left / params - 1:+.1%}), "
            f"{macs / 1e9:.3f} -> {macs_left / 1e9:.3f} GMAC ({macs_left / macs - 1:+.1%})"
        )


def learned_channels(
    network: Network,
    *,
    threshold: float = THRESHOLD,
    layers: Sequence[str] = ("stages",),
    groups: Mapping[str, Group] | None = None,
) -> Learned:
    """Find the channels that training has kept: the spread of all their norms is large enough.

    If no unit of a group reaches the threshold, the strongest one is kept, so that the network
    stays connected.

    The published CSNet code compares only the scale of the first norm of each block with 1e-20. So
    it keeps some channels whose later norms, or whose kernels, have decayed.

    Args:
        network: A network that was trained with norm decay.
        threshold: Smallest spread to keep, see `norm_spreads`.
        layers: Beginnings of the names of the norms that decayed, as in the recipe.
        groups: The groups of this network from `find_groups`, to save a second tracing.

    Raises:
        ArgumentError: The threshold is not positive.
        RecipeError: The network has no norms below one of `layers`.
    """
    if threshold <= 0:
        raise ArgumentError(f"threshold is {threshold}; give a number above 0")
    spreads = norm_spreads(network, layers)
    strengths = {
        name: strength
        for name, group in (groups or find_groups(network)).items()
        if (strength := _strength(group, spreads)) is not None
    }
    all_strengths = np.concatenate(list(strengths.values()))
    return Learned(
        keep={n: _alive(s, threshold) for n, s in strengths.items()},
        sizes={n: len(s) for n, s in strengths.items()},
        gap=_gap(all_strengths, threshold),
    )


def saving(before: Network, after: Network, size_px: int) -> Saving:
    """Compare the costs of two networks for a picture of `size_px` x `size_px`."""
    macs = (_multiply_adds(before, size_px), _multiply_adds(after, size_px))
    return Saving((num_params(before), num_params(after)), macs)


def _multiply_adds(network: Network, size_px: int) -> float:
    return multiply_adds(lambda: type(network)(network.config), size_px, size_px)


def norm_spreads(
    network: Network, layers: Sequence[str] = ("stages",)
) -> dict[str, NDArray[np.float64]]:
    """Return how much the channels of every batch norm below `layers` vary: norm -> (C,) float64.

    The spread is the standard deviation of the norm's output, by its running statistics. It is
    |scale| if the variance of the input is large compared with `eps`, and less if it is not.
    """
    return {name: _spread(norm) for name, norm in norms_below(network, layers).items()}


def spread_histogram(
    spreads: Mapping[str, NDArray[np.float64]], bins_per_decade: int = 2
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count the channels by the order of magnitude of their spread, for a plot.

    Args:
        spreads: The return value of `norm_spreads`.
        bins_per_decade: Number of bins between two powers of ten.

    Returns:
        (N,) counts and (N + 1,) edges in spread, log-spaced from 1e-46 to 100. Spreads outside this
        range, such as 0, count in the first or last bin.
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
    """Return the units of a group to keep, at least the strongest."""
    alive: list[int] = np.flatnonzero(strengths >= threshold).tolist()
    return alive or [int(strengths.argmax())]


def _strength(
    group: Group, spreads: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """Return the least spread of each unit over its norms, (U,); None if none of them decayed.

    In a unit of several channels the largest spread counts.
    """
    per_norm = [
        spreads[norm][indices].max(1)
        for (tensor, _), indices in group.axes.items()
        if (norm := tensor.removesuffix(".weight")) in spreads
    ]
    return np.min(per_norm, 0) if per_norm else None


def _gap(strengths: NDArray[np.float64], threshold: float) -> float:
    """Return the powers of ten between the strengths on both sides of the threshold."""
    below, kept = strengths[strengths < threshold], strengths[strengths >= threshold]
    if not len(kept) or not below.max(initial=0):
        return float("inf")
    return float(np.log10(kept.min() / below.max()))
