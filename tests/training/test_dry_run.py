"""A dry run says what a run would do, takes a few steps, and leaves nothing behind."""

import json

import pytest

from featheredge.errors import EvaluationError, RecipeError
from featheredge.training.dry_run import plan_run
from featheredge.training.loop import train
from featheredge.training.recipe import load_recipe
from stopping import train_until
from toys import write_bsds, write_recipe


@pytest.fixture
def recipe_path(tmp_path):
    return write_recipe(tmp_path, write_bsds(write_bsds(tmp_path / "bsds", "train", 5), "val", 2))


def test_a_plan_says_what_the_run_then_does(recipe_path, tmp_path):
    recipe = load_recipe(recipe_path)
    folder = tmp_path / "run"
    plan = plan_run(recipe, folder)
    assert not folder.exists()
    assert (plan.num_train, plan.num_val, plan.steps, plan.steps_done) == (5, 2, 12, 0)
    assert plan.num_params == plan.num_trained
    assert 0 < plan.step_s < 10
    for part in ("toy, edges", "MobileEdge", "12: 4 epochs of 3", "2 crops of 32x32", "a step"):
        assert part in str(plan)
    train(recipe, folder)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert sum("loss" in line for line in lines) == plan.steps


def test_a_plan_knows_the_run_that_is_there(recipe_path, tmp_path):
    recipe = load_recipe(recipe_path)
    train_until(recipe, tmp_path / "run", 7)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    plan = plan_run(recipe, tmp_path / "run")
    assert plan.steps_done == 6
    assert "resumes after step 6" in str(plan)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before
    with pytest.raises(RecipeError, match="another recipe"):
        plan_run(load_recipe(recipe_path, ["seed=1"]), tmp_path / "run")


def test_frozen_layers_and_several_devices_count(recipe_path, tmp_path):
    settings = ["optimiser.rates={encoder=0}", "augment.crop_px=64"]
    recipe = load_recipe(recipe_path, settings)
    plan = plan_run(recipe, tmp_path / "run", devices=2)
    assert plan.num_trained < plan.num_params
    assert plan.steps == 12, "two devices share a batch of 2, so 5 pictures stay 3 steps"
    with pytest.raises(RecipeError, match="3 processes cannot share"):
        plan_run(recipe, tmp_path / "run", devices=3)


def test_missing_data_is_said_before_a_run_begins(recipe_path, tmp_path):
    recipe = load_recipe(recipe_path, [f"data.root={tmp_path / 'nowhere'}"])
    with pytest.raises(EvaluationError, match="nowhere"):
        plan_run(recipe, tmp_path / "run")
