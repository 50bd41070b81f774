"""Problems of a recipe: all of them at once, each with what to type instead."""

import pytest

from featheredge.errors import RecipeError
from featheredge.runs.prune_recipe import PruneRecipe
from featheredge.training.recipe import make_recipe
from featheredge.training.recipe_check import check

MINIMAL = {"name": "a", "task": "edges", "data": {"root": "b"}, "network": {"name": "mobile-edge"}}


def problems(table, make=make_recipe):
    with pytest.raises(RecipeError) as caught:
        make(table, "mine.toml")
    return str(caught.value)


def test_a_minimal_recipe_is_short():
    recipe = make_recipe(MINIMAL, "mine.toml")
    assert recipe.optimiser.kind == "adamw"
    assert recipe.schedule.epochs == 10


def test_everything_that_is_missing_is_said_at_once():
    assert problems({}).splitlines() == [
        "mine.toml: 4 problems",
        '  name: missing; add name = "..."',
        '  task: missing; add task = "edges" or task = "saliency"',
        '  data.root: missing; add root = "..." under [data]',
        "  network: give name, a network of the zoo; or initial alone, a network whose widths stay",
    ]


def test_problems_of_all_sections_are_said_at_once():
    said = problems(
        {**MINIMAL, "optimiser": {"lr": -1}, "schedule": {"epochs": "many"}, "run": {"epochs": 3}}
    )
    assert "3 problems" in said
    assert "optimiser.lr: Input should be greater than 0; got -1" in said
    assert "schedule.epochs: Input should be a valid integer" in said
    assert "'many'" in said
    assert "run.epochs: unknown key; did you mean schedule.epochs?" in said


@pytest.mark.parametrize(
    ("extra", "meant"),
    [
        ({"optimizer": {"lr": 1}}, "optimizer: unknown key; did you mean optimiser?"),
        ({"optimiser": {"rl": 1}}, "optimiser.rl: unknown key; did you mean optimiser.lr?"),
        ({"augment": {"crop": 64}}, "augment.crop: unknown key; did you mean augment.crop_px?"),
        ({"batch_size": 4}, "batch_size: unknown key; did you mean run.batch_size?"),
        (
            {"distill": {"output": {"wieght": 1.0}}},
            "distill.output.wieght: unknown key; did you mean distill.output.weight?",
        ),
        (
            {"schedule": {"quux": 1}},
            "schedule.quux: unknown key; the keys of [schedule] are kind, epochs, warmup_steps",
        ),
    ],
)
def test_an_unknown_key_suggests_the_nearest(extra, meant):
    assert meant in problems({**MINIMAL, **extra})


def test_keys_below_names_are_suggested_too():
    table = {"name": "a", "source": "b", "training": {"long": {"recipe": "c", "setings": []}}}
    said = problems(table, lambda table, source: check(PruneRecipe, table, source))
    assert "training.long.setings: unknown key; did you mean training.long.settings?" in said


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "", ".", "..", "a/b", "x" * 101])
def test_a_name_that_is_no_folder_of_a_run_is_refused(name):
    said = problems({**MINIMAL, "name": name})
    assert "runs/NAME is the run folder" in said
    assert len(said) < 300
    prune = {"name": name, "source": "b.py:c", "calibration": {"pictures": "d"}}
    prune["budget"] = {"ratio": 0.5}
    assert "runs/NAME" in problems(prune, lambda table, source: check(PruneRecipe, table, source))
