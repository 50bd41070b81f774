"""How many channels to keep in every group, so that a budget is met at the least error.

The error of a group is measured where it alone is pruned, at a few counts, and errors are added
up. What a count saves follows from what the convolutions that it makes narrower cost. Convolutions
are not all of a network's time: where the whole of it can be measured, their share is chosen so
that the whole meets the budget.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from scipy.interpolate import PchipInterpolator
from torch import Tensor, nn

from featheredge.channels.groups import Group, find_groups
from featheredge.channels.ties import Tie
from featheredge.errors import ArgumentError
from featheredge.pruning.allocate import (
    ROUNDING,
    TOLERANCE,
    Choice,
    Term,
    allocate,
    allocate_measured,
    total_cost,
)
from featheredge.pruning.budget import Budget
from featheredge.pruning.conv_timing import Stopwatch, time_convolutions
from featheredge.pruning.convolutions import find_convolutions
from featheredge.pruning.cost_terms import macs_terms, spread, time_terms
from featheredge.pruning.prunable import prunable_ties
from featheredge.pruning.prune import GroupError, Sampling, error_curves

__all__ = ["Budget", "Plan", "make_plan", "ratio_counts"]

#: Group -> units to keep; to the time that is left, as a share of the whole network's.
Trial: TypeAlias = Callable[[Mapping[str, int]], float]

#: Counts at which the error of a group is measured.
_MEASURED = 4


@dataclass(frozen=True)
class Plan:
    """How many units each group keeps, and what is expected of that.

    Attributes:
        counts: group -> units to keep, of the groups that shrink, as
            `featheredge.pruning.prune.prune` takes it.
        macs: multiply-adds of the convolutions, before and after.
        latency_ms: milliseconds of the convolutions, before and after, where the budget is in
            time; else None.
        errors: group -> error expected where it alone shrinks so far, see
            `featheredge.pruning.prune.GroupError`.
        whole: group -> why it cannot shrink or was not to.
        share_of_time: what the network takes of its own time with these counts, where that was
            measured.
    """

    counts: dict[str, int]
    macs: tuple[float, float]
    latency_ms: tuple[float, float] | None
    errors: dict[str, float]
    whole: dict[str, str]
    share_of_time: float | None = None


def make_plan(
    network: nn.Module,
    budget: Budget,
    sampling: Sampling,
    *,
    criterion: str = "lasso",
    stopwatch: Stopwatch = time_convolutions,
    trial: Trial | None = None,
) -> Plan:
    """Decide how many units each group keeps.

    Args:
        network: of the zoo, in the form that is deployed, or any module that can be traced.
        budget: what may be left of it, and what must.
        sampling: pictures to explain the layers on.
        criterion: how units will be chosen, a name in `featheredge.pruning.criteria.CRITERIA`.
        stopwatch: measures convolutions, for a budget in time; to keep the times, give
            `functools.partial(time_convolutions, cache=path)`.
        trial: measures the whole network, for a budget in time, such as
            `featheredge.runs.network_source.share_of_time`; None takes its convolutions for
            all of it.

    Raises:
        ArgumentError: the budget is out of reach, `keep` names no group, the criterion is not
            known, there are no pictures, or the network cannot be traced.
    """
    if not sampling.inputs:
        raise ArgumentError("layers are explained on pictures; give at least one")
    groups = find_groups(network, sampling.inputs[0][:1])
    ties, whole = prunable_ties(network, groups, budget)
    options = [budget.counts(groups[tie[0]].size) for tie in ties]
    costs = _costs(network, sampling, groups, ties, options, budget, stopwatch, trial)
    if budget.ratio is not None:
        options = [[counts[0], _nearest(counts, budget.ratio)] for counts in options]
    else:
        _check_reach([counts[-1] for counts in options], costs, budget)
    curves = _error_curves(network, sampling, criterion, ties, options)
    if budget.ratio is not None:
        left = [counts[-1] for counts in options]
    else:
        left = _allocated(_choices(ties, options, curves), costs, budget)
    counts = _shrunk(ties, groups, left)
    return Plan(
        counts=counts,
        macs=costs.change(costs.macs, left),
        latency_ms=None if costs.times is None else costs.change(costs.times, left),
        errors={name: float(curves[name](count)) for name, count in counts.items()},
        whole=whole,
        share_of_time=None if costs.trial is None else costs.trial(tuple(left)),
    )


def ratio_counts(network: nn.Module, budget: Budget, example: Tensor) -> dict[str, int]:
    """Group -> units left by a budget's `ratio`, of the groups that may shrink; nothing measured.

    Args:
        network: as for `make_plan`.
        budget: one with a ratio.
        example: what the network takes, (1, C, H, W).

    Raises:
        ArgumentError: `keep` names no group, or the network cannot be traced.
    """
    assert budget.ratio is not None
    groups = find_groups(network, example)
    ties, _ = prunable_ties(network, groups, budget)
    return {
        name: _nearest(budget.counts(groups[name].size), budget.ratio)
        for tie in ties
        for name in tie
    }


@dataclass(frozen=True)
class _Costs:
    """What the network costs as a function of the counts.

    Attributes:
        full: the counts of the whole network.
        macs: terms that add up to the convolutions' multiply-adds.
        times: terms that add up to their milliseconds, where the budget is in time.
        trial: the network's time as a share of that of the whole one, where that is measured; it
            remembers.
    """

    full: list[int]
    macs: list[Term]
    times: list[Term] | None
    trial: Callable[[tuple[int, ...]], float] | None

    @property
    def terms(self) -> list[Term]:
        """The convolutions' part of what the budget is in."""
        return self.macs if self.times is None else self.times

    def change(self, terms: list[Term], counts: Sequence[int]) -> tuple[float, float]:
        """The sum of these terms before and after."""
        return total_cost(terms, self.full), total_cost(terms, counts)

    def left(self, counts: Sequence[int]) -> float:
        """What is left with these counts of what the budget is in, as a share."""
        if self.trial is not None:
            return self.trial(tuple(counts))
        return total_cost(self.terms, counts) / total_cost(self.terms, self.full)


def _costs(
    network: nn.Module,
    sampling: Sampling,
    groups: Mapping[str, Group],
    ties: Sequence[Tie],
    options: Sequence[Sequence[int]],
    budget: Budget,
    stopwatch: Stopwatch,
    trial: Trial | None,
) -> _Costs:
    """Count, and where the budget is in time measure, the convolutions at every option."""
    image = sampling.inputs[0]
    calls = find_convolutions(network, image.new_zeros(1, image.shape[1], *budget.size))
    members = [[groups[name] for name in tie] for tie in ties]
    timed = budget.latency is not None
    measured: Callable[[tuple[int, ...]], float] | None = None
    if timed and trial is not None:
        measured = cache(lambda counts: trial(_shrunk(ties, groups, counts)))
    return _Costs(
        full=[counts[0] for counts in options],
        macs=macs_terms(calls, members),
        times=time_terms(calls, members, options, stopwatch) if timed else None,
        trial=measured,
    )


def _shrunk(
    ties: Sequence[Tie], groups: Mapping[str, Group], counts: Sequence[int]
) -> dict[str, int]:
    """Group -> units left, of the groups that are left with fewer; a count for every tie."""
    left = {name: count for tie, count in zip(ties, counts, strict=True) for name in tie}
    return {n: left[n] for n, group in groups.items() if left.get(n, group.size) < group.size}


def _nearest(counts: Sequence[int], ratio: float) -> int:
    return min(counts, key=lambda count: abs(count - ratio * counts[0]))


def _error_curves(
    network: nn.Module,
    sampling: Sampling,
    criterion: str,
    ties: Sequence[Tie],
    options: Sequence[Sequence[int]],
) -> dict[str, PchipInterpolator]:
    """The error of every group by the units it keeps, which never rises with them."""
    grids = {
        name: spread(counts[1:], _MEASURED)
        for tie, counts in zip(ties, options, strict=True)
        for name in tie
    }
    rows = error_curves(network, grids, sampling, criterion=criterion)
    return {name: _curve([row for row in rows if row.group == name]) for name in grids}


def _curve(rows: Sequence[GroupError]) -> PchipInterpolator:
    """A curve through measured errors, and through none where all units stay.

    Where an error rises with the units, which is chance, the largest so far counts.
    """
    points = sorted({row.kept: row.error for row in rows}.items(), reverse=True)
    kept, errors = zip((rows[0].size, 0.0), *points, strict=True)
    rising = np.maximum.accumulate(errors)
    return PchipInterpolator(kept[::-1], rising[::-1])


def _choices(
    ties: Sequence[Tie],
    options: Sequence[Sequence[int]],
    curves: Mapping[str, PchipInterpolator],
) -> list[Choice]:
    """The counts that each tie can have, with the errors of its groups added up."""
    return [
        Choice(tuple(counts), tuple(np.sum([curves[name](counts) for name in tie], 0)))
        for tie, counts in zip(ties, options, strict=True)
    ]


def _allocated(choices: Sequence[Choice], costs: _Costs, budget: Budget) -> list[int]:
    """The counts that meet a budget at the least error found."""
    share = budget.latency or budget.macs
    assert share is not None
    if costs.trial is not None:
        return allocate_measured(choices, costs.terms, share, costs.left)
    left = allocate(choices, costs.terms, share * total_cost(costs.terms, costs.full))
    _check_reach(left, costs, budget)
    return left


def _check_reach(counts: Sequence[int], costs: _Costs, budget: Budget) -> None:
    """Refuse a budget that is not met by what is meant to be the least."""
    kind, share = ("latency", budget.latency) if budget.latency else ("macs", budget.macs)
    reached, slack = costs.left(counts), ROUNDING if costs.trial is None else TOLERANCE
    if share is not None and reached > share * (1 + slack):
        raise ArgumentError(
            f"{kind} = {share:g} is out of reach: with least = {budget.least:g}, multiple = "
            f"{budget.multiple} and {len(budget.keep)} names in keep, {reached:.3g} is the least "
            "share that can be left; allow more, or lower least"
        )
