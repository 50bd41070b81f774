"""Recipes: every shipped one parses, and a mistake in one never passes unnoticed."""

from pathlib import Path

import pytest

from featheredge.errors import RecipeError
from featheredge.models.build import create_model
from featheredge.run_folder import RECIPES_DIR
from featheredge.training.losses import EdgeLoss, SaliencyLoss
from featheredge.training.optimiser import make_optimiser
from featheredge.training.recipe import load_recipe, make_recipe
from featheredge.training.recipe_file import find_recipe
from toys import write_recipe

SHIPPED = sorted(p for p in RECIPES_DIR.glob("*.toml") if not p.stem.startswith("prune-"))


@pytest.fixture
def recipe(tmp_path) -> Path:
    return write_recipe(tmp_path, tmp_path / "bsds")


def test_recipes_are_shipped():
    assert "mobile-edge" in [path.stem for path in SHIPPED]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_parses_and_builds(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    if path.stem.startswith("tune-"):
        assert recipe.network.initial
        assert recipe.network.name is None
    else:
        network = create_model(recipe.network.name, widths=recipe.network.widths)
        make_optimiser(network, recipe.optimiser)


def test_settings_change_values(recipe):
    changed = load_recipe(
        recipe, ["data.root=/some where", "optimiser.lr=0.5", "data.val_splits=[]", "seed = 3"]
    )
    assert changed.data.root == Path("/some where")
    assert changed.optimiser.lr == 0.5
    assert changed.data.val_splits == ()
    assert changed.seed == 3


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimiser.rl=0.5", "optimiser.rl"),
        ("augment.crop=3", "augment.crop"),
        ("loss.eta=2", "loss.eta"),
        ("loss.lamda=1", "loss.lamda"),
        ("schedule.epochs=many", "schedule.epochs"),
        ("optimiser.kind=rmsprop", "sgd"),
        ("seed", "key.subkey=value"),
        ("seed.of=3", "not a section"),
    ],
)
def test_mistakes_in_settings_are_named(recipe, setting, said):
    with pytest.raises(RecipeError, match=said):
        load_recipe(recipe, ["seed=0", setting])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["data.maps=maps"], "data.maps are not used"),
        (["data.unlabelled={pictures='a', maps='b'}"], "data.maps too"),
        (["network.backbone=a", "network.initial=b"], "not both"),
        (["network={}"], "give name"),
        (["network={backbone='a'}"], "give name"),
        (["network={initial='a', widths={stem=8}}"], "whose widths stay"),
        (["data.maps=m", "distill={teachers=['t'], output={}}"], "not from both"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(recipe, settings, said):
    with pytest.raises(RecipeError, match=said):
        load_recipe(recipe, settings)


def test_the_task_decides_the_loss_and_the_crops(recipe):
    assert isinstance(load_recipe(recipe).loss, EdgeLoss)
    assert load_recipe(recipe).input_px is None
    table = {"name": "a", "task": "saliency", "data": {"root": "b"}, "network": {"name": "feather"}}
    saliency = make_recipe(table, "a")
    assert isinstance(saliency.loss, SaliencyLoss)
    assert saliency.input_px == saliency.augment.crop_px
    crops = make_recipe({**table, "augment": {"whole": False}}, "a")
    assert crops.input_px is None


def test_a_loss_of_the_other_task_is_refused(recipe):
    with pytest.raises(RecipeError, match=r"loss\.overlap: unknown key"):
        load_recipe(recipe, ["loss.overlap=1.0"])
    with pytest.raises(RecipeError, match=r"loss\.eta: unknown key"):
        load_recipe(recipe, ["task=saliency"])
    with pytest.raises(RecipeError, match=r"task: .*'edges' or 'saliency'; got 'masks'"):
        load_recipe(recipe, ["task=masks"])


def test_shipped_recipes_go_by_name():
    assert find_recipe("mobile-edge").is_file()
    assert find_recipe("own.toml") == Path("own.toml")
    with pytest.raises(RecipeError, match="mobile-edge"):
        find_recipe("mobil-edge")


def test_files_that_are_no_recipes_are_named(tmp_path):
    with pytest.raises(RecipeError, match=r"absent\.toml"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(RecipeError, match=r"bad\.toml: not a TOML file"):
        load_recipe(tmp_path / "bad.toml")
