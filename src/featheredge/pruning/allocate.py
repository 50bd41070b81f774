"""Which of many widths to lower so that the costs fit a budget at the least error.

A cost depends on few of the widths at once, as a layer's does on those of its two ends, so the
problem is no plain knapsack; but step by step it is treated as one: whatever adds the least error
for the cost that it saves goes first. A step may be a long one, since small ones often save
nothing where processors work on blocks of channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

#: A change: of which choice, to which of its counts.
Change: TypeAlias = tuple[int, int]

#: Share of a target by which rounding may exceed it.
ROUNDING = 1e-9

#: Share of a target that a measurement may differ by, and how many it takes to come so near.
TOLERANCE = 0.02
_TRIALS = 10


@dataclass(frozen=True)
class Choice:
    """The counts that one width can have.

    Attributes:
        counts: from the largest, which it starts with, to the least.
        errors: at each count; they never fall.
    """

    counts: tuple[int, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True)
class Term:
    """One part of the cost.

    Attributes:
        members: the choices that it depends on, by number.
        cost: of their counts, in that order. It is asked often and should remember.
    """

    members: tuple[int, ...]
    cost: Callable[[tuple[int, ...]], float]


def total_cost(terms: Sequence[Term], counts: Sequence[int]) -> float:
    """The cost of these counts, one for every choice."""
    return sum(term.cost(tuple(counts[i] for i in term.members)) for term in terms)


def allocate(choices: Sequence[Choice], terms: Sequence[Term], target: float) -> list[int]:
    """Lower counts until the cost is at most `target`, then raise those that still can be.

    Where costs and errors belong to single choices, the error is at most that of the best counts
    plus that of one step; where costs are shared it is close to that, as a rule.

    Args:
        choices: the widths.
        terms: the parts of the cost.
        target: in the terms' unit.

    Returns:
        A count for every choice. Where no step saves anything any more these may cost more than
        `target`: the least that is within reach.
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
    while (back := allocation.best_return(limit)) is not None:
        allocation.levels[back[0]] = back[1]
    return allocation.counts()


def allocate_measured(
    choices: Sequence[Choice],
    terms: Sequence[Term],
    share: float,
    measure: Callable[[Sequence[int]], float],
) -> list[int]:
    """Lower counts until what is measured is at most `share`, where terms are only part of it.

    What the terms may cost is sought between the least and all of it, each time where a straight
    line through the nearest measurements on both sides meets `share`.

    Args:
        choices: the widths.
        terms: the parts of the cost that are known, in any unit.
        share: of what the largest counts measure.
        measure: what these counts measure, as such a share; 1 for the largest.

    Returns:
        A count for every choice. They measure about `share`, and more by `TOLERANCE` at most;
        where even the least counts measure more, these.
    """
    best = [choice.counts[-1] for choice in choices]
    full = total_cost(terms, [choice.counts[0] for choice in choices])
    low, high = total_cost(terms, best) / full, 1.0
    off = measure(best) - share
    short, excess = off, 1 - share
    for _ in range(_TRIALS):
        if off >= -TOLERANCE * share:
            break
        known = low - short * (high - low) / (excess - short)
        counts = allocate(choices, terms, known * full)
        found = measure(counts) - share
        # The other side, which stays, counts half: where the relation is curved, steps would be
        # tiny without that (after the Illinois method; Dowell and Jarratt, BIT 11, 1971).
        if found <= TOLERANCE * share:
            best, off, low, short, excess = counts, found, known, found, excess / 2
        else:
            high, excess, short = known, found, short / 2
    return best


class _Allocation:
    """The counts so far, and what steps from them would change."""

    def __init__(self, choices: Sequence[Choice], terms: Sequence[Term]) -> None:
        self.levels = [0] * len(choices)
        self._choices, self._terms = choices, terms
        self._touching = [[t for t in terms if i in t.members] for i in range(len(choices))]

    def counts(self) -> list[int]:
        return [c.counts[level] for c, level in zip(self._choices, self.levels, strict=True)]

    def total(self) -> float:
        return total_cost(self._terms, self.counts())

    def neighbours(self, i: int) -> set[int]:
        """The choices that share a cost with this one, itself included."""
        return {i}.union(*(term.members for term in self._touching[i]))

    def best_step(self, i: int) -> tuple[float, float, int] | None:
        """Error added per cost saved, minus the cost saved, and the level; None if none saves."""
        errors, now = self._choices[i].errors, self.levels[i]
        steps = []
        for level in range(now + 1, len(errors)):
            saved = -self._change(i, level)
            if saved > 0:
                steps.append(((errors[level] - errors[now]) / saved, -saved, level))
        return min(steps, default=None)

    def best_return(self, limit: float) -> Change | None:
        """The way back that takes the most error off and stays within the limit."""
        room = limit - self.total()
        steps = []
        for i, choice in enumerate(self._choices):
            now = choice.errors[self.levels[i]]
            gains = ((now - choice.errors[level], i, level) for level in range(self.levels[i]))
            steps += [s for s in gains if s[0] > 0 and self._change(i, s[2]) <= room]
        return max(steps)[1:] if steps else None

    def _change(self, i: int, level: int) -> float:
        """What the cost changes by when one choice goes to a level."""
        before = self.counts()
        after = before.copy()
        after[i] = self._choices[i].counts[level]
        terms = self._touching[i]
        return total_cost(terms, after) - total_cost(terms, before)
