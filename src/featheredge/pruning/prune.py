"""Prune channels group by group and refit the layers that read them.

He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017, arXiv
1707.06168. In the network's order, each group keeps the channels that best reproduce the outputs of
the layers that read it. These layers are then refitted to the outputs of the original network, with
inputs from the network as pruned so far. Layers that read the same channels are fitted together.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from featheredge.channels.cut import cut
from featheredge.channels.groups import Group, find_groups
from featheredge.pruning.criteria import CRITERIA
from featheredge.pruning.group_error import (
    RIDGE,
    GroupError,
    Sampling,
    check_count,
    check_criterion,
    make_readers,
    mean_error,
    reader_kernels,
    sample_readers,
)
from featheredge.pruning.normal_equations import Matrix

N = TypeVar("N", bound=nn.Module)


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
        network: A network of the zoo, or any module that can be traced; it is not changed.
        counts: Group (see `find_groups`) -> number of units to keep, at least 1.
        sampling: Pictures to measure the layers on.
        criterion: "lasso", "magnitude", "geometric-median" or "random".
        refit: Whether to refit the layers that read the pruned channels.
        ridge: Weight of the penalty on the change of the refitted kernels.

    Returns:
        The smaller network, as `cut` returns it, and the error of every group in turn: the outputs
        of the pruned layers compared with those of the original network.

    Raises:
        ArgumentError: A group or the criterion is unknown, a count is not from 1 to the group's
            size, a layer cannot be measured, or the network's class cannot have these widths.
    """
    groups = find_groups(network, sampling.example)
    working = deepcopy(network).eval()
    _check(working, counts, groups, criterion, sampling.example)
    chosen = [group for name, group in groups.items() if name in counts]
    outputs = sample_readers(working, chosen, sampling)
    random = np.random.default_rng(sampling.seed)
    keep: dict[str, list[int]] = {}
    errors = []
    # Dropped channels get weights of 0 and are cut at the end, so shapes do not change on the way.
    for group in chosen:
        name, count = group.name, counts[group.name]
        readers = make_readers(working, [group], sampling, outputs)[name]
        units = CRITERIA[criterion](working, group, [*readers.values()], count, random)
        kernels = reader_kernels(readers, units, ridge if refit else None)
        for layer, kernel in kernels.items():
            _write(working.get_submodule(layer), kernel)
        keep[name] = units.tolist()
        error = mean_error(readers, kernels)
        errors.append(GroupError(name, count, group.size, criterion, refit, error))
    smaller = cut(working, keep, groups=groups, example=sampling.example)
    return smaller.train(network.training), errors


def _check(
    network: nn.Module,
    counts: Mapping[str, int],
    groups: Mapping[str, Group],
    criterion: str,
    example: Tensor,
) -> None:
    """Refuse what cannot be pruned before anything is measured."""
    check_criterion(criterion)
    for name, count in counts.items():
        check_count(name, count, groups)
    cut(network, {k: range(n) for k, n in counts.items()}, groups=groups, example=example)


def _write(layer: nn.Module, kernel: Matrix) -> None:
    """Set a convolution's weights from a flattened kernel with the bias last."""
    assert isinstance(layer, nn.Conv2d)
    values = torch.from_numpy(kernel).to(layer.weight)
    with torch.no_grad():
        layer.weight.copy_(values[:, :-1].reshape(layer.weight.shape))
        if layer.bias is not None:
            layer.bias.copy_(values[:, -1])
