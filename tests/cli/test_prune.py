"""`featheredge prune` as a user runs it, on a network of the user's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from featheredge.cli import app
from featheredge.errors import RecipeError

ROOT = Path(__file__).parents[2]
RECIPE = "examples/prune-custom-network.toml"


def call(*arguments: object) -> None:
    app(map(str, arguments), result_action="return_value", exit_on_error=False)


def run(*command: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_recipes_for_training_are_none_for_pruning(tmp_path):
    with pytest.raises(RecipeError, match=r"type `featheredge train .*mobile-edge"):
        call("prune", "mobile-edge", "-o", tmp_path)
    with pytest.raises(RecipeError, match=r"type `featheredge prune .*prune-rcf"):
        call("train", "prune-rcf", "-o", tmp_path)
    with pytest.raises(RecipeError, match="prune-pidinet"):
        call("prune", "prune-nothing", "-o", tmp_path)
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
def test_the_example_is_pruned_and_goes_to_its_own_loop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    small = ["--set", "calibration.count=8", "--set", "timing.rounds=2"]
    call("prune", RECIPE, "-o", tmp_path / "run", *small)
    printed = capsys.readouterr()
    assert "norms: " in printed.err
    rows = {line.split()[0]: line.split() for line in printed.out.splitlines()[1:5]}
    assert list(rows) == ["unpruned", "cut", "refit", "norms"]
    assert float(rows["norms"][2]) <= 0.5 * float(rows["unpruned"][2]) + 0.001
    assert float(rows["refit"][-1]) < float(rows["cut"][-1])
    call("prune", RECIPE, "-o", tmp_path / "run", *small, "--json")
    again = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in again["steps"]] == list(rows)
    assert again["machine"]["cpu"]
    trained = run("examples/custom_network.py", tmp_path / "run")
    assert f"pruned to {rows['norms'][1]}" in trained
    assert (tmp_path / "run/custom.safetensors").is_file()
