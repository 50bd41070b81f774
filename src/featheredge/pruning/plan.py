"""Plan how many channels each group keeps, to meet a budget at the least error.

The error of a group is measured at a few counts with only this group pruned, and the errors of
groups are added up. The saving of a count follows from the costs of the convolutions that it makes
narrower. Convolutions are only a part of a network's time. If the whole network can be measured,
the budget of the convolutions is chosen so that the whole network meets its budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from torch import Tensor, nn

from featheredge.channels.groups import find_groups
from featheredge.channels.ties import Tie
from featheredge.errors import ArgumentError
from featheredge.pruning.allocate import (
    ROUNDING,
    TOLERANCE,
    Choice,
    allocate,
    allocate_measured,
    total_cost,
)
from featheredge.pruning.budget import Budget
from featheredge.pruning.conv_timing import Stopwatch, time_convolutions
from featheredge.pruning.cost_terms import spread
from featheredge.pruning.error_curves import error_curves
from featheredge.pruning.group_error import GroupError, Sampling
from featheredge.pruning.plan_costs import Costs, MeasureShare, find_costs, smaller_counts
from featheredge.pruning.prunable import prunable_ties

#: Number of counts at which the error of a group is measured.
_NUM_MEASURED = 4


@dataclass(frozen=True)
class Plan:
    """How many units each group keeps, and the expected cost and error.

    Attributes:
        counts: Group -> units to keep, for the groups that shrink; argument of
            `featheredge.pruning.prune.prune`.
        macs: Multiply-adds of the convolutions, before and after.
        latency_ms: Milliseconds of the convolutions, before and after; None if the budget is not in
            time.
        errors: Group -> expected error if only this group shrinks, see
            `featheredge.pruning.group_error.GroupError`.
        whole: Group -> why it does not shrink.
        share_of_time: Measured time with these counts as a share of the unpruned network's; None
            if it was not measured.
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
    measure_share: MeasureShare | None = None,
) -> Plan:
    """Decide how many units each group keeps.

    Args:
        network: A network of the zoo in the form that is deployed, or any module that can be
            traced.
        budget: How much to keep.
        sampling: Pictures to measure the layers on.
        criterion: How units will be chosen, a name in `featheredge.pruning.criteria.CRITERIA`.
        stopwatch: Measures convolutions, for a budget in time. To keep the times in a file, give
            `functools.partial(time_convolutions, cache=path)`.
        measure_share: Measures the whole network, for a budget in time, such as
            `featheredge.runs.time_share.share_of_time`. With None the budget is for the
            convolutions alone.

    Raises:
        ArgumentError: The budget is out of reach, an entry of `keep` matches no group, the
            criterion is unknown, there are no pictures, or the network cannot be traced.
    """
    groups = find_groups(network, sampling.example)
    ties, whole = prunable_ties(network, groups, budget)
    options = [budget.counts(groups[tie[0]].size) for tie in ties]
    costs = find_costs(network, sampling, groups, ties, options, budget, stopwatch, measure_share)
    if budget.ratio is not None:
        options = [[counts[0], _nearest(counts, budget.ratio)] for counts in options]
    else:
        _check_reach([counts[-1] for counts in options], costs, budget)
    curves = _error_curves(network, sampling, criterion, ties, options)
    if budget.ratio is not None:
        left = [counts[-1] for counts in options]
    else:
        left = _allocated(_choices(ties, options, curves), costs, budget)
    counts = smaller_counts(ties, groups, left)
    return Plan(
        counts=counts,
        macs=costs.change(costs.macs, left),
        latency_ms=None if costs.times is None else costs.change(costs.times, left),
        errors={name: float(curves[name](count)) for name, count in counts.items()},
        whole=whole,
        share_of_time=None if costs.trials is None else costs.trials.measure(left),
    )


def ratio_counts(network: nn.Module, budget: Budget, example: Tensor) -> dict[str, int]:
    """Return group -> units to keep by a budget's `ratio`; measures nothing.

    Args:
        network: See `make_plan`.
        budget: A budget with a ratio.
        example: (1, C, H, W) float network input.

    Raises:
        ArgumentError: An entry of `keep` matches no group, or the network cannot be traced.
    """
    assert budget.ratio is not None
    groups = find_groups(network, example)
    ties, _ = prunable_ties(network, groups, budget)
    return {
        name: _nearest(budget.counts(groups[name].size), budget.ratio)
        for tie in ties
        for name in tie
    }


def _nearest(counts: Sequence[int], ratio: float) -> int:
    """Return the count nearest to this ratio of the largest."""
    return min(counts, key=lambda count: abs(count - ratio * counts[0]))


def _error_curves(
    network: nn.Module,
    sampling: Sampling,
    criterion: str,
    ties: Sequence[Tie],
    options: Sequence[Sequence[int]],
) -> dict[str, PchipInterpolator]:
    """Return group -> its error by the units that it keeps; it never rises with them."""
    grids = {
        name: spread(counts[1:], _NUM_MEASURED)
        for tie, counts in zip(ties, options, strict=True)
        for name in tie
    }
    rows = error_curves(network, grids, sampling, criterion=criterion)
    return {name: _curve([row for row in rows if row.group == name]) for name in grids}


def _curve(rows: Sequence[GroupError]) -> PchipInterpolator:
    """Fit a curve through measured errors, and through 0 for all units.

    An error that rises with the units is noise: the largest error so far is used.
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
    """Return the counts that each tie can have, with the summed errors of its groups."""
    return [
        Choice(tuple(counts), tuple(np.sum([curves[name](counts) for name in tie], 0)))
        for tie, counts in zip(ties, options, strict=True)
    ]


def _allocated(choices: Sequence[Choice], costs: Costs, budget: Budget) -> list[int]:
    """Return the counts that meet a budget at the least error found."""
    share = budget.latency or budget.macs
    assert share is not None
    if (trials := costs.trials) is not None:
        return allocate_measured(choices, costs.terms, share, trials.measure, trials.confirm)
    left = allocate(choices, costs.terms, share * total_cost(costs.terms, costs.full))
    _check_reach(left, costs, budget)
    return left


def _check_reach(counts: Sequence[int], costs: Costs, budget: Budget) -> None:
    """Refuse a budget that even the least counts do not meet."""
    kind, share = ("latency", budget.latency) if budget.latency else ("macs", budget.macs)
    reached, slack = costs.share(counts), ROUNDING if costs.trials is None else TOLERANCE
    if share is not None and reached > share * (1 + slack):
        raise ArgumentError(
            f"{kind} = {share:g} is out of reach: with least = {budget.least:g}, multiple = "
            f"{budget.multiple} and {len(budget.keep)} names in keep, the smallest share is "
            f"{reached:.3g}; raise {kind}, or lower least or multiple"
        )
