"""Channel pruning with least-squares refit (He et al., ICCV 2017, arXiv 1707.06168).

Group after group, in the network's order: choose the channels by which the layers that read them
are explained best, and refit these layers to what the original network answers, given what the
network as pruned so far feeds them. Layers that read the same channels are explained together.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from featheredge.channels.cut import cut
from featheredge.channels.groups import Group, find_groups
from featheredge.errors import ArgumentError
from featheredge.pruning.criteria import CRITERIA, Units
from featheredge.pruning.normal_equations import (
    Answers,
    Matrix,
    measure,
    plain_conv,
    sample_answers,
    sums_bytes,
)
from featheredge.pruning.refit import Reader, make_reader

N = TypeVar("N", bound=nn.Module)

#: Pull of a refitted kernel to what it was, in units of its inputs' mean square.
RIDGE = 1e-3
#: What normal equations may take in memory where groups are measured together.
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Sampling:
    """What layers are measured on.

    Attributes:
        inputs: what the network takes, (B, C, H, W) each; sizes may differ. For networks of the
            zoo that is what `normalise` returns.
        points: random places per layer and picture.
        seed: of the places, and of units chosen by chance.
    """

    inputs: Sequence[Tensor]
    points: int = 10
    seed: int = 0


@dataclass(frozen=True)
class GroupError:
    """How well the readers of a group answer without some of its units.

    Attributes:
        group: its name.
        kept: units.
        size: units before.
        criterion: how the units were chosen, a name in `CRITERIA`.
        refit: whether the readers' kernels were fitted again.
        error: squared error over the variance of the original's answers, mean of the readers; 1
            is as bad as answering the mean everywhere.
    """

    group: str
    kept: int
    size: int
    criterion: str
    refit: bool
    error: float


def prune(
    network: N,
    counts: Mapping[str, int],
    sampling: Sampling,
    *,
    criterion: str = "lasso",
    refit: bool = True,
    ridge: float = RIDGE,
) -> tuple[N, list[GroupError]]:
    """Prune groups to given counts, one after the other.

    Args:
        network: of the zoo, or any module that can be traced; it is left as it is.
        counts: group (see `find_groups`) -> units to keep, from 1.
        sampling: pictures to explain the layers on.
        criterion: "lasso", "magnitude", "geometric-median" or "random".
        refit: whether to refit the layers that read what was pruned.
        ridge: pull of the refitted kernels to what they were.

    Returns:
        The smaller network, as `cut` returns it, and the error of every group in turn, of the
        layers as they then are against the original network's answers.

    Raises:
        ArgumentError: an unknown group or criterion, a count that is not from 1 to the group's
            size, a layer that cannot be explained, or widths that the class cannot have.
    """
    example = _example(sampling)
    groups = find_groups(network, example)
    working = deepcopy(network).eval()
    _check(working, counts, groups, criterion, example)
    chosen = [group for name, group in groups.items() if name in counts]
    answers = _answers(working, chosen, sampling)
    random = np.random.default_rng(sampling.seed)
    keep: dict[str, list[int]] = {}
    errors = []
    # Cut channels are read with weights of 0 until the end: that changes no shapes on the way.
    for group in chosen:
        name, count = group.name, counts[group.name]
        readers = _readers(working, [group], sampling, answers)[name]
        units = CRITERIA[criterion](working, group, [*readers.values()], count, random)
        kernels = _kernels(readers, units, ridge if refit else None)
        for layer, kernel in kernels.items():
            _write(working.get_submodule(layer), kernel)
        keep[name] = units.tolist()
        error = _error(readers, kernels)
        errors.append(GroupError(name, count, group.size, criterion, refit, error))
    smaller = cut(working, keep, groups=groups, example=example)
    return smaller.train(network.training), errors


def compare(
    network: nn.Module, counts: Mapping[str, int], sampling: Sampling, *, ridge: float = RIDGE
) -> list[GroupError]:
    """The error of every criterion, with and without refit, each group pruned alone.

    Arguments and errors are those of `prune`.
    """
    one_each = {name: (count,) for name, count in counts.items()}
    return _alone(network, one_each, sampling, CRITERIA, (False, True), ridge)


def error_curves(
    network: nn.Module,
    counts: Mapping[str, Sequence[int]],
    sampling: Sampling,
    *,
    criterion: str = "lasso",
    ridge: float = RIDGE,
) -> list[GroupError]:
    """The error, with refit, at several counts of every group, each group pruned alone.

    As many groups as memory is meant to hold are measured at once, for all their counts.
    Arguments and errors are otherwise those of `prune`.
    """
    _check_criterion(criterion)
    return _alone(network, counts, sampling, (criterion,), (True,), ridge)


def _alone(
    network: nn.Module,
    counts: Mapping[str, Sequence[int]],
    sampling: Sampling,
    criteria: Collection[str],
    refits: Sequence[bool],
    ridge: float,
) -> list[GroupError]:
    """The errors of all ways to prune each group by itself."""
    groups = find_groups(network, _example(sampling))
    for name, several in counts.items():
        for count in several:
            _check_count(name, count, groups)
    still = deepcopy(network).eval()
    rows = []
    for group, readers in _measured(still, [groups[name] for name in counts], sampling):
        for count, criterion in product(counts[group.name], criteria):
            random = np.random.default_rng(sampling.seed)
            units = CRITERIA[criterion](still, group, [*readers.values()], count, random)
            for refit in refits:
                error = _error(readers, _kernels(readers, units, ridge if refit else None))
                rows.append(GroupError(group.name, count, group.size, criterion, refit, error))
    return rows


def _measured(
    network: nn.Module, groups: Sequence[Group], sampling: Sampling
) -> Iterator[tuple[Group, dict[str, Reader]]]:
    """Every group and the layers that read it, with as few passes over the pictures as fit."""
    for together in _batches(network, groups):
        readers = _readers(network, together, sampling, _answers(network, together, sampling))
        for group in together:
            yield group, readers[group.name]


def _batches(network: nn.Module, groups: Sequence[Group]) -> list[list[Group]]:
    """Groups that are measured in one go, as many as memory is meant to hold."""
    batches: list[list[Group]] = []
    left = 0
    for group in groups:
        size = sum(sums_bytes(plain_conv(network, layer)) for layer in group.readers())
        if not batches or size > left:
            batches.append([])
            left = _MOST_BYTES
        batches[-1].append(group)
        left -= size
    return batches


def _example(sampling: Sampling) -> Tensor:
    if not sampling.inputs:
        raise ArgumentError("layers are explained on pictures; give at least one")
    return sampling.inputs[0][:1]


def _check(
    network: nn.Module,
    counts: Mapping[str, int],
    groups: Mapping[str, Group],
    criterion: str,
    example: Tensor,
) -> None:
    """Refuse what cannot be pruned before anything is measured."""
    _check_criterion(criterion)
    for name, count in counts.items():
        _check_count(name, count, groups)
    cut(network, {k: range(n) for k, n in counts.items()}, groups=groups, example=example)


def _check_criterion(criterion: str) -> None:
    if criterion not in CRITERIA:
        known = ", ".join(CRITERIA)
        raise ArgumentError(f"no criterion is called {criterion!r}; there are {known}")


def _check_count(name: str, count: int, groups: Mapping[str, Group]) -> None:
    if name not in groups:
        raise ArgumentError(f"no group is called {name!r}; there are {', '.join(groups)}")
    if not 1 <= count <= groups[name].size:
        raise ArgumentError(f"{name} has {groups[name].size} units; asked to keep {count}")


def _answers(network: nn.Module, groups: Sequence[Group], sampling: Sampling) -> list[Answers]:
    """What the layers that read these groups answer."""
    for group in groups:
        if not group.readers():
            raise ArgumentError(
                f"{group.name} is read by no convolution that says which of its units matter; "
                "leave it whole"
            )
    return sample_answers(
        network, _layers(groups), sampling.inputs, points=sampling.points, seed=sampling.seed
    )


def _readers(
    network: nn.Module, groups: Sequence[Group], sampling: Sampling, answers: Sequence[Answers]
) -> dict[str, dict[str, Reader]]:
    """Group -> the layers that read it, with the answers wanted of them."""
    sums = measure(network, _layers(groups), sampling.inputs, answers)
    return {
        group.name: {
            layer: make_reader(network, layer, group, sums[layer]) for layer in group.readers()
        }
        for group in groups
    }


def _layers(groups: Sequence[Group]) -> list[str]:
    """The layers that read any of these groups, each once."""
    return list(dict.fromkeys(layer for group in groups for layer in group.readers()))


def _kernels(readers: Mapping[str, Reader], units: Units, ridge: float | None) -> dict[str, Matrix]:
    """The readers' kernels for these units alone, refitted unless `ridge` is None."""
    return {
        layer: reader.without(units) if ridge is None else reader.refitted(units, ridge)
        for layer, reader in readers.items()
    }


def _error(readers: Mapping[str, Reader], kernels: Mapping[str, Matrix]) -> float:
    return float(np.mean([readers[layer].sums.error(kernels[layer]) for layer in readers]))


def _write(layer: nn.Module, kernel: Matrix) -> None:
    """Give a convolution a flattened kernel with the bias last."""
    assert isinstance(layer, nn.Conv2d)
    values = torch.from_numpy(kernel).to(layer.weight)
    with torch.no_grad():
        layer.weight.copy_(values[:, :-1].reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.copy_(values[:, -1])
