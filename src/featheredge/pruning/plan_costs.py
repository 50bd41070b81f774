"""Compute what a network costs for given channel counts, as a plan for a budget needs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from featheredge.channels.groups import Group
from featheredge.channels.ties import Tie
from featheredge.pruning.allocate import Term, total_cost
from featheredge.pruning.budget import Budget
from featheredge.pruning.conv_timing import Stopwatch
from featheredge.pruning.convolutions import find_convolutions
from featheredge.pruning.cost_terms import macs_terms, time_terms
from featheredge.pruning.group_error import Sampling

#: Measures the network with these units kept per group; returns its time as a share of the
#: unpruned network's.
MeasureShare: TypeAlias = Callable[[Mapping[str, int]], float]


class Trials:
    """Times of networks with other counts, as shares of the unpruned network's, kept by counts."""

    def __init__(self, measure: Callable[[Sequence[int]], float]) -> None:
        self._measure = measure
        self._shares: dict[tuple[int, ...], float] = {}

    def measure(self, counts: Sequence[int]) -> float:
        """Return the share of these counts, measured once."""
        if tuple(counts) not in self._shares:
            self._shares[tuple(counts)] = self._measure(counts)
        return self._shares[tuple(counts)]

    def confirm(self, counts: Sequence[int]) -> float:
        """Measure counts a second time; keep and return the larger share."""
        share = max(self.measure(counts), self._measure(counts))
        self._shares[tuple(counts)] = share
        return share


@dataclass(frozen=True)
class Costs:
    """The costs of a network as functions of the counts of its ties.

    Attributes:
        full: The counts of the unpruned network.
        macs: Terms that add up to the multiply-adds of the convolutions.
        times: Terms that add up to their milliseconds; None if the budget is not in time.
        trials: Measures networks with other counts; None if they are not measured.
    """

    full: list[int]
    macs: list[Term]
    times: list[Term] | None
    trials: "Trials | None"

    @property
    def terms(self) -> list[Term]:
        """The cost of the convolutions, in the unit of the budget."""
        return self.macs if self.times is None else self.times

    def change(self, terms: list[Term], counts: Sequence[int]) -> tuple[float, float]:
        """Return the sum of these terms before and after."""
        return total_cost(terms, self.full), total_cost(terms, counts)

    def share(self, counts: Sequence[int]) -> float:
        """Return the cost of these counts as a share of the full cost."""
        if self.trials is not None:
            return self.trials.measure(counts)
        return total_cost(self.terms, counts) / total_cost(self.terms, self.full)


def find_costs(
    network: nn.Module,
    sampling: Sampling,
    groups: Mapping[str, Group],
    ties: Sequence[Tie],
    options: Sequence[Sequence[int]],
    budget: Budget,
    stopwatch: Stopwatch,
    measure_share: MeasureShare | None,
) -> Costs:
    """Count multiply-adds, and for a budget in time measure the convolutions, at every option.

    Args:
        network: The network in the form that is deployed.
        sampling: Its inputs; only their number of channels matters.
        groups: The groups of the network.
        ties: The ties that may shrink.
        options: The counts that each tie may have, descending.
        budget: The budget.
        stopwatch: Measures convolutions, for a budget in time.
        measure_share: Measures the network, for a budget in time; None measures convolutions only.
    """
    image = sampling.inputs[0]
    calls = find_convolutions(network, image.new_zeros(1, image.shape[1], *budget.size))
    members = [[groups[name] for name in tie] for tie in ties]
    timed = budget.latency is not None
    trials = None
    if timed and measure_share is not None:
        trials = Trials(lambda counts: measure_share(smaller_counts(ties, groups, counts)))
    return Costs(
        full=[counts[0] for counts in options],
        macs=macs_terms(calls, members),
        times=time_terms(calls, members, options, stopwatch) if timed else None,
        trials=trials,
    )


def smaller_counts(
    ties: Sequence[Tie], groups: Mapping[str, Group], counts: Sequence[int]
) -> dict[str, int]:
    """Return group -> units to keep, for the groups that shrink; `counts` has one per tie."""
    left = {name: count for tie, count in zip(ties, counts, strict=True) for name in tie}
    return {n: left[n] for n, group in groups.items() if left.get(n, group.size) < group.size}
