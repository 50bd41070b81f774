"""Allocation, compared with a search of all counts."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from featheredge.pruning.allocate import (
    ROUNDING,
    TOLERANCE,
    Choice,
    Term,
    allocate,
    allocate_measured,
    total_cost,
)
from featheredge.pruning.plan_costs import Trials

AMOUNT = st.floats(0.01, 10)


def choice(added):
    """Counts from len(added) + 1 down to 1; each lower one adds its entry to the error."""
    return Choice(tuple(range(len(added) + 1, 0, -1)), (0.0, *np.cumsum(added).tolist()))


def error(choices, counts):
    return sum(c.errors[c.counts.index(n)] for c, n in zip(choices, counts, strict=True))


def best(choices, terms, target):
    """The least error of all counts that meet the target; None if none do."""
    fits = (n for n in product(*(c.counts for c in choices)) if total_cost(terms, n) <= target)
    return min((error(choices, counts) for counts in fits), default=None)


@st.composite
def separate(draw):
    """Choices with separate costs, from random rising tables, and a share of the full cost."""
    choices = draw(st.lists(st.lists(AMOUNT, min_size=1, max_size=4).map(choice), max_size=4))
    terms = []
    for number, made in enumerate(choices):
        size = len(made.counts)
        table = np.cumsum(draw(st.lists(AMOUNT, min_size=size, max_size=size)))
        terms.append(Term((number,), lambda counts, table=table: float(table[counts[0] - 1])))
    return choices, terms, draw(st.floats(0.1, 1))


@given(separate())
@example(([choice([1.0])], [Term((0,), lambda counts: float(counts[0]))], 1 - 1e-16 * 2))
def test_with_separate_costs_the_error_is_within_one_step_of_the_best(problem):
    choices, terms, share = problem
    target = share * total_cost(terms, [c.counts[0] for c in choices])
    counts = allocate(choices, terms, target)
    # Costs may exceed the target by rounding, so compare with the best under both targets.
    least, lowest = best(choices, terms, target), best(choices, terms, target * (1 + ROUNDING))
    if lowest is None:
        assert counts == [1] * len(choices)
        return
    assert total_cost(terms, counts) <= target * (1 + 1e-9)
    assert lowest - 1e-9 <= error(choices, counts)
    if least is not None:
        steps = max((c.errors[-1] for c in choices), default=0)
        assert error(choices, counts) <= least + steps + 1e-9


def chain(seed):
    """A chain of layers: each costs the product of its two widths, and errors grow."""
    random = np.random.default_rng(seed)
    choices = [choice(np.sort(random.exponential(size=4)) ** 2) for _ in range(4)]
    terms = [
        Term((i, i + 1), lambda n, scale=scale: scale * n[0] * n[1])
        for i, scale in enumerate(random.uniform(1, 5, 3))
    ]
    return choices, [*terms, Term((0,), lambda n: 3.0 * n[0]), Term((3,), lambda n: 2.0 * n[0])]


def test_with_shared_costs_the_error_is_close_to_the_best():
    excess = []
    for seed, share in product(range(20), (0.3, 0.5, 0.8)):
        choices, terms = chain(seed)
        target = share * total_cost(terms, [5] * 4)
        counts = allocate(choices, terms, target)
        assert total_cost(terms, counts) <= target * (1 + 1e-9)
        excess.append(error(choices, counts) / best(choices, terms, target))
    assert np.mean(excess) < 1.1
    assert np.median(excess) == pytest.approx(1, abs=0.02)


def test_steps_that_save_nothing_are_skipped():
    blocks = Term((0,), lambda counts: float(-(-counts[0] // 4)))
    stairs = Choice(tuple(range(12, 0, -1)), tuple(np.arange(12) / 10))
    other = Choice((2, 1), (0.0, 5.0))
    counts = allocate([stairs, other], [blocks, Term((1,), lambda n: float(n[0]))], 4.0)
    assert counts == [8, 2]


def test_a_target_out_of_reach_gives_the_least_counts():
    assert allocate([choice([1.0, 1.0])], [Term((0,), lambda n: float(n[0]))], 0.5) == [1]
    assert allocate([], [Term((), lambda n: 3.0)], 1.0) == []
    assert allocate([choice([1.0])], [Term((0,), lambda n: float(n[0]))], 5.0) == [2]


def fine(seed):
    """A chain of layers of up to 24 units."""
    random = np.random.default_rng(seed)
    choices = [choice(np.sort(random.exponential(size=23)) ** 2) for _ in range(3)]
    return choices, [Term((i, i + 1), lambda n: float(n[0] * n[1])) for i in range(2)]


@given(st.integers(0, 20), st.floats(0.05, 1), st.floats(0, 0.9))
def test_costs_outside_the_terms_are_compensated(seed, share, rest):
    """The measured cost has a constant part, and a part that shrinks outside the terms."""
    choices, terms = fine(seed)
    full, measured = total_cost(terms, [24] * 3), []

    def measure(counts):
        measured.append(list(counts))
        hidden = sum(counts) / (24 * 3)
        return rest + (1 - rest) * (0.8 * total_cost(terms, counts) / full + 0.2 * hidden)

    counts = allocate_measured(choices, terms, share, measure)
    assert counts in measured
    assert len(measured) <= 11
    least = measure([1] * 3)
    if least > share * (1 + TOLERANCE):
        assert counts == [1] * 3
    else:
        # Near the least counts one unit is worth more than the tolerance.
        assert share * 0.9 - 0.03 <= measure(counts) <= share * (1 + TOLERANCE)


def test_a_curved_relation_is_met_in_few_measurements():
    """Most of the measured cost disappears with the last few percent of the known cost."""
    choices, terms = fine(0)
    full, measured = total_cost(terms, [24] * 3), []

    def measure(counts):
        measured.append(list(counts))
        return 0.25 + 0.75 * (total_cost(terms, counts) / full) ** 0.2

    assert 0.6 < measure(allocate_measured(choices, terms, 0.655, measure)) <= 0.655 * 1.02
    assert len(measured) <= 11


def test_counts_that_measure_above_the_share_are_not_returned():
    """The measured cost falls in one jump, so no line through two measurements fits."""
    choices, terms = fine(0)
    full = total_cost(terms, [24] * 3)

    def jump(counts):
        return 1.0 if total_cost(terms, counts) > 0.3 * full else 0.4

    counts = allocate_measured(choices, terms, 0.5, jump)
    assert jump(counts) == 0.4


def test_a_trial_that_is_fast_by_chance_is_not_taken():
    """The first time of every network is a tenth too short; the second one is right."""
    choices, terms = fine(0)
    full = total_cost(terms, [24] * 3)
    measured = []

    def time(counts):
        measured.append(tuple(counts))
        chance = 0.9 if measured.count(tuple(counts)) == 1 else 1.0
        return chance * total_cost(terms, counts) / full

    trials = Trials(time)
    counts = allocate_measured(choices, terms, 0.5, trials.measure, trials.confirm)
    true = total_cost(terms, counts) / full
    assert 0.4 < true <= 0.5 * (1 + TOLERANCE)
    assert trials.measure(counts) == true  # the plan tells the confirmed share
    assert measured.count(tuple(counts)) == 2
    assert allocate_measured(choices, terms, 0.5, lambda c: 0.9 * total_cost(terms, c) / full)
