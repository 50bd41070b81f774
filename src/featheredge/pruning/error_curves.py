"""Measure the error of each group when it alone is pruned, by criterion or by count."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import product

import numpy as np
from torch import nn

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
from featheredge.pruning.normal_equations import equations_bytes, plain_conv
from featheredge.pruning.refit import Reader

#: Memory limit for the normal equations of groups that are measured together.
_MAX_BYTES = 1 << 30


def compare(
    network: nn.Module, counts: Mapping[str, int], sampling: Sampling, *, ridge: float = RIDGE
) -> list[GroupError]:
    """Measure the error of every criterion, with and without refit, each group pruned alone.

    Arguments and errors are those of `featheredge.pruning.prune.prune`.
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
    """Measure the error after refit at several counts of every group, each group pruned alone.

    One pass over the pictures measures as many groups as fit in memory, at all their counts.
    All other arguments and errors are those of `featheredge.pruning.prune.prune`.
    """
    check_criterion(criterion)
    return _alone(network, counts, sampling, (criterion,), (True,), ridge)


def _alone(
    network: nn.Module,
    counts: Mapping[str, Sequence[int]],
    sampling: Sampling,
    criteria: Collection[str],
    refits: Sequence[bool],
    ridge: float,
) -> list[GroupError]:
    """Measure the errors of all ways to prune each group by itself."""
    groups = find_groups(network, sampling.example)
    for name, several in counts.items():
        for count in several:
            check_count(name, count, groups)
    copy = deepcopy(network).eval()
    rows = []
    for group, readers in _measured(copy, [groups[name] for name in counts], sampling):
        for count, criterion in product(counts[group.name], criteria):
            random = np.random.default_rng(sampling.seed)
            units = CRITERIA[criterion](copy, group, [*readers.values()], count, random)
            for refit in refits:
                kernels = reader_kernels(readers, units, ridge if refit else None)
                error = mean_error(readers, kernels)
                rows.append(GroupError(group.name, count, group.size, criterion, refit, error))
    return rows


def _measured(
    network: nn.Module, groups: Sequence[Group], sampling: Sampling
) -> Iterator[tuple[Group, dict[str, Reader]]]:
    """Yield every group with its readers, in as few passes over the pictures as memory allows."""
    for batch in _batches(network, groups):
        outputs = sample_readers(network, batch, sampling)
        readers = make_readers(network, batch, sampling, outputs)
        for group in batch:
            yield group, readers[group.name]


def _batches(network: nn.Module, groups: Sequence[Group]) -> list[list[Group]]:
    """Split groups into batches whose normal equations fit in memory."""
    batches: list[list[Group]] = []
    left = 0
    for group in groups:
        size = sum(equations_bytes(plain_conv(network, layer)) for layer in group.readers())
        if not batches or size > left:
            batches.append([])
            left = _MAX_BYTES
        batches[-1].append(group)
        left -= size
    return batches
