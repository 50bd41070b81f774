"""Lower channel counts until costs meet a budget, at the least error.

A cost depends on a few counts at once, as a layer's cost depends on its input and output channels.
So this is not a plain knapsack problem, but each step treats it as one: the step that adds the
least error per cost saved is taken first. A step may lower a count by more than one level, because
processors work on blocks of channels and small steps often save nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

#: Index of a choice, and index of its new count.
Change: TypeAlias = tuple[int, int]

#: Share of a target by which costs may exceed it because of rounding.
ROUNDING = 1e-9

#: Share of a target by which a measurement may differ from it, and the number of measurements.
TOLERANCE = 0.02
_MAX_MEASUREMENTS = 10


@dataclass(frozen=True)
class Choice:
    """The counts that one width can have.

    Attributes:
        counts: From the largest, which is the start, to the smallest.
        errors: The error at each count; it never falls.
    """

    counts: tuple[int, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True)
class Term:
    """One part of the cost.

    Attributes:
        members: Indices of the choices that it depends on.
        cost: Function from their counts, in that order, to the cost. It is called often and should
            cache its results.
    """

    members: tuple[int, ...]
    cost: Callable[[tuple[int, ...]], float]


def total_cost(terms: Sequence[Term], counts: Sequence[int]) -> float:
    """Return the cost of these counts, one for every choice."""
    return sum(term.cost(tuple(counts[i] for i in term.members)) for term in terms)


def allocate(choices: Sequence[Choice], terms: Sequence[Term], target: float) -> list[int]:
    """Lower counts until the cost is at most `target`, then raise those that still can be.

    If no two choices share a cost, the error is at most that of the best counts plus that of one
    step. If choices share costs, it is usually close to that.

    Args:
        choices: The widths.
        terms: The parts of the cost.
        target: The maximum cost, in the terms' unit.

    Returns:
        A count for every choice. If no step saves anything more before `target` is met, these are
        the least counts within reach, and they cost more.
    """
    allocation = _Allocation(choices, terms)
    limit = target * (1 + ROUNDING)
    steps = {i: allocation.best_step(i) for i in range(len(choices))}
    while allocation.total() > limit:
        ranked = [(*best, i) for i, best in steps.items() if best is not None]
        if not ranked:
            return allocation.counts()
        *_, level, i = min(ranked)
        allocation.levels[i] = level
        for other in allocation.neighbours(i):
            steps[other] = allocation.best_step(other)
    while (change := allocation.best_return(limit)) is not None:
        allocation.levels[change[0]] = change[1]
    return allocation.counts()


def allocate_measured(
    choices: Sequence[Choice],
    terms: Sequence[Term],
    share: float,
    measure: Callable[[Sequence[int]], float],
    confirm: Callable[[Sequence[int]], float] | None = None,
) -> list[int]:
    """Lower counts until the measured cost is at most `share`; the terms are a part of that cost.

    The target for the terms is searched between their least and their full cost. Each next target
    is where a straight line through the nearest measurements on both sides meets `share`.

    Args:
        choices: The widths.
        terms: The known parts of the cost, in any unit.
        share: The maximum cost, as a share of the measured cost of the largest counts.
        measure: Measures counts and returns such a share; 1 for the largest counts.
        confirm: Measures counts a second time and returns the larger share. Only counts that meet
            `share` both times are taken, because one short time can be chance. None takes the
            first measurement.

    Returns:
        A count for every choice. Their measured cost is about `share`, above it by a share of
        `TOLERANCE` at most. If even the least counts measure more, the least counts.
    """
    best = [choice.counts[-1] for choice in choices]
    full = total_cost(terms, [choice.counts[0] for choice in choices])
    low, high = total_cost(terms, best) / full, 1.0
    difference = measure(best) - share
    short, excess = difference, 1 - share
    for _ in range(_MAX_MEASUREMENTS):
        if difference >= -TOLERANCE * share:
            break
        known = low - short * (high - low) / (excess - short)
        counts = allocate(choices, terms, known * full)
        found = measure(counts) - share
        if confirm is not None and found <= TOLERANCE * share:
            found = confirm(counts) - share
        # The side that stays gets half its weight. Without that, steps are tiny where the relation
        # is curved (the Illinois method; Dowell and Jarratt, BIT 11, 1971).
        if found <= TOLERANCE * share:
            best, difference, low, short, excess = counts, found, known, found, excess / 2
        else:
            high, excess, short = known, found, short / 2
    return best


class _Allocation:
    """The current counts, and what steps from them would change."""

    def __init__(self, choices: Sequence[Choice], terms: Sequence[Term]) -> None:
        self.levels = [0] * len(choices)
        self._choices, self._terms = choices, terms
        self._touching = [[t for t in terms if i in t.members] for i in range(len(choices))]

    def counts(self) -> list[int]:
        return [c.counts[level] for c, level in zip(self._choices, self.levels, strict=True)]

    def total(self) -> float:
        return total_cost(self._terms, self.counts())

    def neighbours(self, i: int) -> set[int]:
        """Return the choices that share a cost with this one, itself included."""
        return {i}.union(*(term.members for term in self._touching[i]))

    def best_step(self, i: int) -> tuple[float, float, int] | None:
        """Return the step with the least error per cost saved; None if no step saves anything.

        A step is (error added per cost saved, minus the cost saved, new level).
        """
        errors, now = self._choices[i].errors, self.levels[i]
        steps = []
        for level in range(now + 1, len(errors)):
            saved = -self._change(i, level)
            if saved > 0:
                steps.append(((errors[level] - errors[now]) / saved, -saved, level))
        return min(steps, default=None)

    def best_return(self, limit: float) -> Change | None:
        """Return the raised count that removes the most error within the limit, or None."""
        room = limit - self.total()
        steps = []
        for i, choice in enumerate(self._choices):
            now = choice.errors[self.levels[i]]
            gains = ((now - choice.errors[level], i, level) for level in range(self.levels[i]))
            steps += [s for s in gains if s[0] > 0 and self._change(i, s[2]) <= room]
        return max(steps)[1:] if steps else None

    def _change(self, i: int, level: int) -> float:
        """Return the change of the cost when one choice takes another level."""
        before = self.counts()
        after = before.copy()
        after[i] = self._choices[i].counts[level]
        terms = self._touching[i]
        return total_cost(terms, after) - total_cost(terms, before)
