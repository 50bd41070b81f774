"""Distillation chains of toy networks: every row is scored, and completed steps do not repeat."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from featheredge.errors import ArgumentError, RecipeError
from featheredge.models import build
from featheredge.models.cost import num_params
from featheredge.models.network import Purpose
from featheredge.run_folder import RECIPES_DIR
from featheredge.runs import distillation as module
from featheredge.runs import trained
from featheredge.runs.distillation import (
    EDGE_DISTILLATION,
    SALIENCY_DISTILLATION,
    Chain,
    Row,
    Setting,
    distillation,
    table,
)
from featheredge.training.recipe import load_recipe
from toys import toy_network, write_bsds, write_masks, write_recipe

pytestmark = pytest.mark.usefixtures("share_traces")

ADAPTOR = """
[distill]
teachers = ["elsewhere"]
[distill.adaptor]
student_layer = "encoder"
teacher_layer = "encoder"
"""


def two(chain: Chain) -> Chain:
    """One experiment that learns from stored maps, and one from the features of a teacher."""
    return replace(chain, experiments=(chain.experiments[1], chain.experiments[3]))


def write_arm(chain: Chain, name: str, data: Path, recipes: Path) -> None:
    """Write a toy recipe in the place of a shipped one."""
    path = write_recipe(recipes, data, name)
    text = path.read_text().replace("epochs = 4", "epochs = 1")
    text = text.replace("[data]", "[data]\nval_splits = []")
    if chain.task == "saliency":
        text = text.replace('task = "edges"', 'task = "saliency"')
        text = text.replace('eta = 0.3\nreduction = "mean"', "overlap = 1.0")
        text = text.replace("quarter_turns = true", "whole = true")
    if "output" in name:
        text = text.replace("[data]", '[data]\nmaps = "elsewhere"') + "\n[distill.output]\n"
    if "adaptor" in name:
        text += ADAPTOR
    path.write_text(text)


def write_data(chain: Chain, folder: Path) -> Path:
    if chain.task == "saliency":
        write_masks(folder)
        (folder / "val.txt").write_text("0\n1\n2\n")
    else:
        for seed, split in enumerate(("train", "test")):
            write_bsds(folder, split, 3, seed)
    return folder


def write_setting(chain: Chain, folder: Path) -> Setting:
    data, recipes = write_data(chain, folder / "data"), folder / "recipes"
    recipes.mkdir()
    for experiment in chain.experiments:
        write_arm(chain, chain.recipe_name(experiment, fast=True), data, recipes)
    build.save(toy_network(7), folder / "teacher")
    save_file(toy_network(8).get_submodule("encoder").state_dict(), folder / "backbone.safetensors")
    teacher, runs = str(folder / "teacher"), folder / "chain"
    return Setting(data, folder / "backbone.safetensors", teacher, recipes, runs)


@pytest.mark.parametrize("full", [EDGE_DISTILLATION, SALIENCY_DISTILLATION], ids=lambda c: c.task)
def test_every_experiment_is_run_and_scored_once(full, tmp_path, monkeypatch):
    chain = two(full)
    setting = write_setting(chain, tmp_path)
    announced = []
    rows = distillation(chain, setting, announce=announced.append)
    output, adaptor = (chain.recipe_name(each, fast=True) for each in chain.experiments)
    assert [row.recipe for row in rows] == ["teacher", output, adaptor]
    assert f"maps for {output}" in announced
    assert len(list((setting.folder / "maps").glob("*.png"))) == 3
    for row in rows:
        score = json.loads((setting.folder / row.recipe / "score.json").read_bytes())
        assert row.measured == (score["ods"]["f"] if chain.task == "edges" else score["max_f"])
        assert score["num_images"] == 3
        assert row.num_params == num_params(toy_network())
    taught = json.loads((setting.folder / adaptor / "recipe.json").read_bytes())
    assert taught["distill"]["teachers"] == [setting.teacher]

    def fail(*args, **kwargs):
        raise AssertionError("a completed step runs again")

    monkeypatch.setattr(trained, "train", fail)
    for step in ("score_bsds", "score_masks"):
        monkeypatch.setattr(module, step, fail)
    assert distillation(chain, setting) == rows


def test_a_longer_schedule_multiplies_the_epochs(tmp_path):
    chain = replace(EDGE_DISTILLATION, experiments=EDGE_DISTILLATION.experiments[2:3])
    setting = replace(write_setting(chain, tmp_path), times=2)
    distillation(chain, setting)
    used = json.loads((setting.folder / "edge-plain-fast/recipe.json").read_bytes())
    assert used["schedule"]["epochs"] == 2


def test_finished_arms_of_another_schedule_are_refused_before_anything_runs(tmp_path):
    chain = replace(EDGE_DISTILLATION, experiments=EDGE_DISTILLATION.experiments[2:4])
    setting = write_setting(chain, tmp_path)
    distillation(replace(chain, experiments=chain.experiments[1:]), setting)
    announced = []
    with pytest.raises(RecipeError, match=r"edge-kd-adaptor-fast: holds a run of another recipe"):
        distillation(chain, replace(setting, times=2), announce=announced.append)
    assert announced == []


def test_a_teacher_of_another_task_is_refused(tmp_path):
    setting = write_setting(EDGE_DISTILLATION, tmp_path)
    build.save(toy_network(7), Path(setting.teacher), Purpose("saliency", 32))
    with pytest.raises(ArgumentError, match="is a network for saliency; expected one for edges"):
        distillation(EDGE_DISTILLATION, setting)
    assert not setting.folder.exists()


@pytest.mark.parametrize("chain", [EDGE_DISTILLATION, SALIENCY_DISTILLATION], ids=lambda c: c.task)
def test_arms_differ_only_in_side_outputs_and_distillation(chain):
    names = [chain.recipe_name(experiment, fast=True) for experiment in chain.experiments]
    arms = [load_recipe(RECIPES_DIR / f"{name}.toml").model_dump() for name in names]
    for arm in arms:
        for field in ("name", "about", "distill"):
            del arm[field]
        del arm["data"]["maps"], arm["network"]["widths"]
    assert all(arm == arms[0] for arm in arms)


def test_the_table_shows_published_measured_and_difference():
    rows = [
        Row("with a teacher", "a", 0.78, 0.771, 1_234_567, 1.5e9),
        Row("left out by the paper", "b", None, 0.5, 1, 1.0),
    ]
    first, second = table(EDGE_DISTILLATION, rows).splitlines()[1:3]
    for part in ("with a teacher", "0.7800", "0.7710", "1,234,567", "1.500", "-0.0090"):
        assert part in first
    assert "0.5000" in second
    assert "+" not in second
