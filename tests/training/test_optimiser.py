"""Learning rates over a run, and which parameters get which."""

from itertools import pairwise

import pytest

from featheredge.errors import RecipeError
from featheredge.training.optimiser import lr_factor, make_optimiser, set_lr
from featheredge.training.recipe_sections import Optimiser, Schedule
from toys import toy_network


def test_cosine_warms_up_and_ends_near_zero():
    schedule = Schedule(kind="cosine", epochs=10, warmup_steps=5)
    factors = [lr_factor(schedule, step, 10) for step in range(100)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5] == 1.0
    assert all(a > b for a, b in pairwise(factors[5:]))
    assert factors[52] == pytest.approx(0.5, abs=0.02)
    assert 0 < factors[-1] < 1e-3


def test_steps_fall_at_the_named_epochs():
    schedule = Schedule(kind="step", epochs=9, step_epochs=(3, 6), step_factor=0.1)
    by_epoch = [{lr_factor(schedule, 4 * e + i, 4) for i in range(4)} for e in range(9)]
    assert [f.pop() for f in by_epoch] == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3)
    assert not any(by_epoch), "the rate must not change within an epoch"


def test_groups_know_their_rate_and_decay():
    network = toy_network()
    settings = Optimiser(kind="adamw", lr=1.0, weight_decay=0.3, rates={"encoder": 0.25})
    optimiser = make_optimiser(network, settings)
    found = {
        id(p): (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for p in group["params"]
    }
    for name, parameter in network.named_parameters():
        lr = 0.25 if name.startswith("encoder.") else 1.0
        assert found.pop(id(parameter)) == (lr, 0.3 if parameter.ndim > 1 else 0.0), name
    assert not found


def test_the_longest_beginning_counts_and_biases_have_their_own_rate():
    rates = {"outputs": 0.1, "outputs.0": 3.0, "step": 9.0, "steps": 0.5}
    settings = Optimiser(kind="sgd", lr=1.0, rates={k: rates[k] for k in ("outputs", "outputs.0")})
    network = toy_network(side_outputs=True)
    optimiser = make_optimiser(network, settings.model_copy(update={"bias_rate": 2.0}))
    found = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        part = ".".join(name.split(".")[:2])
        rate = rates.get(part, 0.1) if name.startswith("outputs.") else 1.0
        assert found[id(parameter)] == rate * (2 if name.endswith(".bias") else 1), name


def test_rates_of_parts_that_are_not_there_are_refused():
    with pytest.raises(RecipeError, match=r"step; .*encoder, .*steps"):
        make_optimiser(toy_network(), Optimiser(kind="sgd", lr=1.0, rates={"step": 2.0}))


def test_setting_the_rate_keeps_the_proportions():
    optimiser = make_optimiser(toy_network(), Optimiser(kind="sgd", lr=2.0, rates={"encoder": 0.5}))
    assert set_lr(optimiser, 0.1) == pytest.approx(0.2)
    assert {round(group["lr"], 6) for group in optimiser.param_groups} == {0.1, 0.2}
    assert set_lr(optimiser, 1.0) == 2.0
