"""The training loop learns, resumes without a trace, and reports errors."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from featheredge.data.pairs import EdgePairs
from featheredge.errors import OutputError, RecipeError, WeightsError
from featheredge.models.build import load
from featheredge.run_folder import locked
from featheredge.training.loop import train
from featheredge.training.recipe import load_recipe
from stopping import train_until, train_with_a_stop
from toys import write_bsds, write_recipe


@pytest.fixture
def recipe_path(tmp_path) -> Path:
    bsds = write_bsds(write_bsds(tmp_path / "bsds", "train", 5), "val", 2, seed=1)
    return write_recipe(tmp_path, bsds)


@pytest.fixture
def recipe(recipe_path):
    return load_recipe(recipe_path)


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [(line["step"], line.get("loss", line.get("val_loss"))) for line in lines]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder / "model").state_dict()


def assert_same_run(one: Path, other: Path) -> None:
    assert losses(one) == losses(other)
    ours, theirs = weights(one), weights(other)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_run_leaves_everything_behind(recipe, tmp_path):
    model = train(recipe, tmp_path / "run")
    assert model == tmp_path / "run" / "model"
    steps = [step for step, _ in losses(tmp_path / "run")]
    assert sorted(set(steps)) == list(range(1, 13))
    assert len(steps) == 12 + 4, "twelve steps and four validations"
    sheets = sorted((tmp_path / "run" / "maps").glob("*.png"))
    assert len(sheets) == 4
    assert Image.open(sheets[0]).size == (3 * 320, 2 * 240)
    assert load(model).config.head == 4


def test_training_finds_the_rectangles(recipe_path, tmp_path):
    recipe = load_recipe(
        recipe_path, ["schedule.epochs=40", "optimiser.lr=0.03", "run.norm_batches=20"]
    )
    network = load(train(recipe, tmp_path / "run"))
    for picture, label in map(EdgePairs(recipe.data.root, ("val",)).__getitem__, range(2)):
        edges = network(network.normalise(picture[None])).final.sigmoid()[0]
        assert edges[label > 0.5].mean() > edges[label == 0].mean() + 0.2


@pytest.mark.parametrize("step", [1, 3, 7, 12])
def test_a_stopped_run_goes_on_as_if_it_had_not(recipe, tmp_path, step):
    train(recipe, tmp_path / "whole")
    train_with_a_stop(recipe, tmp_path / "stopped", step)
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


def test_loader_processes_do_not_change_the_run(recipe_path, recipe, tmp_path):
    train(recipe, tmp_path / "alone")
    train(load_recipe(recipe_path, ["data.num_workers=2"]), tmp_path / "workers")
    assert_same_run(tmp_path / "workers", tmp_path / "alone")


def test_the_seed_is_the_only_chance(recipe_path, recipe, tmp_path):
    """On a CPU, a recipe gives the same file in every run, and another seed another file."""
    files = [train(recipe, tmp_path / run) / "model.safetensors" for run in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
    other = train(load_recipe(recipe_path, ["seed=1"]), tmp_path / "other") / "model.safetensors"
    assert other.read_bytes() != files[0].read_bytes()


@pytest.mark.slow
def test_another_process_trains_the_same_weights(recipe_path, recipe, tmp_path):
    here = train(recipe, tmp_path / "here") / "model.safetensors"
    command = [sys.executable, "-m", "featheredge", "train", recipe_path, "-o", tmp_path / "there"]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    there = tmp_path / "there" / "model" / "model.safetensors"
    assert there.read_bytes() == here.read_bytes()


def test_a_cache_does_not_change_the_run(recipe_path, recipe, tmp_path):
    train(recipe, tmp_path / "alone")
    cached = load_recipe(recipe_path, [f"data.cache={tmp_path / 'cache'}"])
    train(cached, tmp_path / "cached")
    assert len(list((tmp_path / "cache").iterdir())) == 2, "pictures to train and to validate on"
    assert_same_run(tmp_path / "cached", tmp_path / "alone")


def test_a_run_resumes_with_a_cache(recipe_path, recipe, tmp_path):
    train(recipe, tmp_path / "whole")
    train_until(recipe, tmp_path / "stopped", 7)
    train(load_recipe(recipe_path, [f"data.cache={tmp_path / 'cache'}"]), tmp_path / "stopped")
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not(recipe_path, recipe, tmp_path):
    train(recipe, tmp_path / "whole")
    command = [sys.executable, "-m", "featheredge", "train", recipe_path, "-o", tmp_path / "killed"]
    log = tmp_path / "killed" / "log.jsonl"
    for lines in (2, 6, 11):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None:
            if log.exists() and log.read_bytes().count(b"\n") >= lines:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_a_half_written_log_line_is_dropped(recipe, tmp_path):
    train(recipe, tmp_path / "whole")
    train_until(recipe, tmp_path / "cut", 7)
    with (tmp_path / "cut/log.jsonl").open("a") as log:
        log.write('{"step": 8, "lo')
    train(recipe, tmp_path / "cut")
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_accumulation_counts_its_parts_once(recipe_path, tmp_path):
    once = load_recipe(recipe_path, ["run.batch_size=2", "run.accumulate=2"])
    train(once, tmp_path / "run")
    assert len({step for step, _ in losses(tmp_path / "run")}) == 8  # 2 of 5 pictures a step, x 4


def test_another_recipe_does_not_take_over_a_run(recipe_path, recipe, tmp_path):
    train(recipe, tmp_path / "run")
    with pytest.raises(RecipeError, match="another recipe"):
        train(load_recipe(recipe_path, ["seed=1"]), tmp_path / "run")


def test_a_run_from_before_a_setting_existed_goes_on(recipe, tmp_path):
    train_until(recipe, tmp_path / "run", 7)
    note = tmp_path / "run" / "recipe.json"
    older = json.loads(note.read_text())
    del older["decay"], older["optimiser"]["betas"], older["task"]
    older["about"] = "described in other words"
    older["data"]["dataset"], older["loss"]["kind"] = "bsds500", "edges"
    note.write_text(json.dumps(older))
    train(recipe, tmp_path / "run")
    assert json.loads(note.read_text()) == json.loads(recipe.model_dump_json())
    note.write_text("{}")
    with pytest.raises(RecipeError, match="another recipe"):
        train(recipe, tmp_path / "run")


def test_a_network_of_whole_pictures_is_trained_at_a_size_it_can_run_at(recipe_path, tmp_path):
    odd = load_recipe(recipe_path, ["augment.whole=true", "augment.crop_px=36"])
    with pytest.raises(RecipeError, match=r"augment\.crop_px is 36; expected a multiple of 32"):
        train(odd, tmp_path / "run")


def test_crops_that_do_not_fit_in_memory_are_refused(recipe_path, tmp_path):
    large = load_recipe(recipe_path, ["augment.crop_px=64000"])
    with pytest.raises(RecipeError, match=r"2 crops of 64000x64000 needs .*lower augment\.crop_px"):
        train(large, tmp_path / "run")


def test_a_folder_is_trained_in_by_one_process(recipe, tmp_path):
    with (
        locked(tmp_path / "run"),
        pytest.raises(OutputError, match="is working in this folder"),
    ):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run/recipe.json").exists()
    leftover = tmp_path / "run" / ".checkpoint.safetensors.abcd0123.safetensors"
    leftover.write_bytes(b"half")
    train(recipe, tmp_path / "run")
    assert not leftover.exists()


def test_a_damaged_checkpoint_is_named(recipe, tmp_path):
    train(recipe, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WeightsError, match=r"checkpoint\.safetensors"):
        train(recipe, tmp_path / "run")


def test_a_loss_that_explodes_ends_the_run(recipe_path, tmp_path):
    wild = load_recipe(recipe_path, ["optimiser.kind=sgd", "optimiser.lr=1e30"])
    with pytest.raises(RecipeError, match="lower optimiser"):
        train(wild, tmp_path / "run")


def test_a_missing_accelerator_is_an_error(recipe, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(Exception, match=r"(?i)cuda"):
        train(recipe, tmp_path / "run", accelerator="cuda")
