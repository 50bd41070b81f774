"""`featheredge new-recipe`: a file to start from that trains as it is."""

import pytest

from featheredge.cli import app
from featheredge.errors import OutputError
from featheredge.models import build
from featheredge.training.recipe import load_recipe
from featheredge.training.start import initial_network


def call(*arguments: object) -> None:
    app(map(str, arguments), result_action="return_value", exit_on_error=False)


@pytest.mark.parametrize("task", ["edges", "saliency"])
def test_a_new_recipe_is_complete(task, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    call("new-recipe", task)
    path = tmp_path / f"my-{task}.toml"
    assert capsys.readouterr().out == f"{path.name}\n"
    assert f"featheredge train {path.name}" in path.read_text()
    recipe = load_recipe(path)
    assert (recipe.name, recipe.task) == (path.stem, task)
    assert (recipe.input_px is None) == (task == "edges")
    assert initial_network(recipe).config == build.load_trained(recipe.network.initial).config


def test_an_existing_recipe_stays(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text("mine")
    with pytest.raises(OutputError, match="-f to replace"):
        call("new-recipe", "edges", "-o", mine)
    assert mine.read_text() == "mine"
    call("new-recipe", "edges", "-o", mine, "-f")
    assert load_recipe(mine).name == "mine"
