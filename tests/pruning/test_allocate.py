"""Allocation against trying all counts."""

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

AMOUNT = st.floats(0.01, 10)


def choice(added):
    """Counts len(added) .. 0 above 1, each lower one with so much more error."""
    return Choice(tuple(range(len(added) + 1, 0, -1)), (0.0, *np.cumsum(added).tolist()))


def error(choices, counts):
    return sum(c.errors[c.counts.index(n)] for c, n in zip(choices, counts, strict=True))


def best(choices, terms, target):
    """The least error of all counts that meet the target; None where none do."""
    fits = (n for n in product(*(c.counts for c in choices)) if total_cost(terms, n) <= target)
    return min((error(choices, counts) for counts in fits), default=None)


@st.composite
def separate(draw):
    """Choices with costs of their own, by any rising table, and a share of the whole."""
    choices = draw(st.lists(st.lists(AMOUNT, min_size=1, max_size=4).map(choice), max_size=4))
    terms = []
    for number, made in enumerate(choices):
        size = len(made.counts)
        table = np.cumsum(draw(st.lists(AMOUNT, min_size=size, max_size=size)))
        terms.append(Term((number,), lambda counts, table=table: float(table[counts[0] - 1])))
    return choices, terms, draw(st.floats(0.1, 1))


@given(separate())
@example(([choice([1.0])], [Term((0,), lambda counts: float(counts[0]))], 1 - 1e-16 * 2))
def test_separate_costs_are_met_at_an_error_within_a_step_of_the_best(problem):
    choices, terms, share = problem
    target = share * total_cost(terms, [c.counts[0] for c in choices])
    counts = allocate(choices, terms, target)
    # Costs may exceed the target by rounding, so that far the best may be better.
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
    """Layers from width to width, whose cost is the product of both, and errors that grow."""
    random = np.random.default_rng(seed)
    choices = [choice(np.sort(random.exponential(size=4)) ** 2) for _ in range(4)]
    terms = [
        Term((i, i + 1), lambda n, scale=scale: scale * n[0] * n[1])
        for i, scale in enumerate(random.uniform(1, 5, 3))
    ]
    return choices, [*terms, Term((0,), lambda n: 3.0 * n[0]), Term((3,), lambda n: 2.0 * n[0])]


def test_costs_that_widths_share_are_met_close_to_the_best():
    excess = []
    for seed, share in product(range(20), (0.3, 0.5, 0.8)):
        choices, terms = chain(seed)
        target = share * total_cost(terms, [5] * 4)
        counts = allocate(choices, terms, target)
        assert total_cost(terms, counts) <= target * (1 + 1e-9)
        excess.append(error(choices, counts) / best(choices, terms, target))
    assert np.mean(excess) < 1.1
    assert np.median(excess) == pytest.approx(1, abs=0.02)


def test_steps_that_save_nothing_are_jumped_over():
    blocks = Term((0,), lambda counts: float(-(-counts[0] // 4)))
    stairs = Choice(tuple(range(12, 0, -1)), tuple(np.arange(12) / 10))
    other = Choice((2, 1), (0.0, 5.0))
    counts = allocate([stairs, other], [blocks, Term((1,), lambda n: float(n[0]))], 4.0)
    assert counts == [8, 2]


def test_what_is_out_of_reach_ends_at_the_least():
    assert allocate([choice([1.0, 1.0])], [Term((0,), lambda n: float(n[0]))], 0.5) == [1]
    assert allocate([], [Term((), lambda n: 3.0)], 1.0) == []
    assert allocate([choice([1.0])], [Term((0,), lambda n: float(n[0]))], 5.0) == [2]


def fine(seed):
    """A chain of layers of up to 24 units."""
    random = np.random.default_rng(seed)
    choices = [choice(np.sort(random.exponential(size=23)) ** 2) for _ in range(3)]
    return choices, [Term((i, i + 1), lambda n: float(n[0] * n[1])) for i in range(2)]


@given(st.integers(0, 20), st.floats(0.05, 1), st.floats(0, 0.9))
def test_what_the_terms_leave_out_is_made_up_for(seed, share, rest):
    """A part of what is measured does not shrink, and a part does that the terms do not know."""
    choices, terms = fine(seed)
    full, asked = total_cost(terms, [24] * 3), []

    def measure(counts):
        asked.append(list(counts))
        hidden = sum(counts) / (24 * 3)
        return rest + (1 - rest) * (0.8 * total_cost(terms, counts) / full + 0.2 * hidden)

    counts = allocate_measured(choices, terms, share, measure)
    assert counts in asked
    assert len(asked) <= 11
    least = measure([1] * 3)
    if least > share * (1 + TOLERANCE):
        assert counts == [1] * 3
    else:
        # Near the least counts one unit is worth more than the tolerance.
        assert share * 0.9 - 0.03 <= measure(counts) <= share * (1 + TOLERANCE)


def test_a_curved_relation_is_met_in_few_measurements():
    """Most of what is measured goes with the last few percent of what is known."""
    choices, terms = fine(0)
    full, asked = total_cost(terms, [24] * 3), []

    def measure(counts):
        asked.append(list(counts))
        return 0.25 + 0.75 * (total_cost(terms, counts) / full) ** 0.2

    assert 0.6 < measure(allocate_measured(choices, terms, 0.655, measure)) <= 0.655 * 1.02
    assert len(asked) <= 11


def test_what_is_measured_beyond_the_share_is_not_taken():
    """Time that falls by a jump, on which no line through two measurements is right."""
    choices, terms = fine(0)
    full = total_cost(terms, [24] * 3)

    def jump(counts):
        return 1.0 if total_cost(terms, counts) > 0.3 * full else 0.4

    counts = allocate_measured(choices, terms, 0.5, jump)
    assert jump(counts) == 0.4
