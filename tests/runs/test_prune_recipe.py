"""Prune recipes: all shipped ones and their fine-tunings parse; contradictions raise."""

import pytest

from featheredge.errors import RecipeError
from featheredge.models import build
from featheredge.models.network import Purpose
from featheredge.run_folder import RECIPES_DIR
from featheredge.runs.calibration import calibration_pictures
from featheredge.runs.fine_tuning import training_recipe
from featheredge.runs.network_source import open_source
from featheredge.runs.prune_recipe import load_prune_recipe
from featheredge.training.optimiser import make_optimiser
from featheredge.training.recipe import load_recipe
from featheredge.training.recipe_file import find_recipe
from featheredge.training.recipe_sections import NetworkSettings
from prune_runs import custom_recipe_file, zoo_recipe
from toys import toy_network

SHIPPED = sorted(RECIPES_DIR.glob("prune-*.toml"))


def test_prune_recipes_are_shipped():
    assert {path.stem for path in SHIPPED} >= {"prune-pidinet", "prune-mobile-edge", "prune-csnet"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_prune_recipe_and_its_fine_tunings_parse(path, tmp_path):
    recipe = load_prune_recipe(path)
    assert recipe.name == path.stem
    assert recipe.training
    network = build.create_model(zoo_name(recipe.source)).deployable()
    build.save(network, tmp_path)
    for step, training in recipe.training.items():
        tuning = training_recipe(recipe, step, training, tmp_path)
        data = {"val_splits": (), "maps": training.maps}
        assert tuning.data == recipe.data.model_copy(update=data)
        assert tuning.network == NetworkSettings(initial=str(tmp_path))
        make_optimiser(network, tuning.optimiser)
        distilled = training.distill is not None
        assert (tuning.distill is not None) == distilled
        stored = training.maps is not None
        assert not distilled or tuning.distill.teachers == (() if stored else (recipe.source,))


def zoo_name(source):
    """The zoo name of a source: the name itself, or the network of the recipe of a run."""
    name = source.partition(":")[0]
    runs, _, run = name.partition("/")
    return load_recipe(find_recipe(run.split("/")[0])).network.name if runs == "runs" else name


def test_settings_change_values(tmp_path):
    recipe = zoo_recipe(tmp_path, "calibration.count=3", "prune.criterion=magnitude")
    assert recipe.calibration.count == 3
    assert recipe.prune.criterion == "magnitude"
    assert recipe.custom is None
    assert recipe.task == "edges"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("prune.criterium=lasso", "prune.criterium"),
        ("prune.criterion=taste", "prune.criterion.*'taste'; choose one of lasso, magnitude"),
        ("budget.ratio=0.5", r"set exactly one of \[budget\]"),
        ("prune.criterion=learned", r"set exactly one of \[budget\]"),
        ("training.refit.recipe=mobile-edge", "cannot name a step.*none of unpruned"),
        ("training.taught.settngs=[]", "training.taught.settngs"),
        ("training.taught={recipe='tune-edges',maps='maps'}", "set distill"),
        ("data.maps=maps", r"set training\.NAME\.maps"),
        ("input_px=64", "remove input_px, set calibration.whole"),
        ("task=masks", "task: .*'edges' or 'saliency'; got 'masks'"),
        ("calibration.count=0", "calibration.count"),
        ("source=mine.py:build", "your own training loop"),
    ],
)
def test_mistakes_and_contradictions_raise(tmp_path, setting, message):
    with pytest.raises(RecipeError, match=message):
        zoo_recipe(tmp_path, setting)


def test_a_network_of_the_zoo_needs_a_task_and_a_custom_module_has_none(tmp_path):
    zoo_recipe(tmp_path)
    path = tmp_path / "prune.toml"
    path.write_text(path.read_text().replace('task = "edges"\n', ""))
    with pytest.raises(RecipeError, match='add task = "edges" or task = "saliency"'):
        load_prune_recipe(path)
    with pytest.raises(RecipeError, match="leave it out for a custom module"):
        load_prune_recipe(custom_recipe_file(tmp_path), ["task=edges"])


def test_whole_pictures_set_the_input_size(tmp_path):
    recipe = zoo_recipe(tmp_path, "task=saliency", "calibration.whole=true")
    assert recipe.purpose == Purpose("saliency", 48)
    assert zoo_recipe(tmp_path).purpose == Purpose("edges")
    with pytest.raises(RecipeError, match=r"set budget\.size = \[48, 48\]"):
        zoo_recipe(tmp_path, "calibration.whole=true", "budget.ratio=0.5", "prune={}")


@pytest.mark.parametrize(
    ("purpose", "message"),
    [
        (Purpose("saliency", 48), 'set task = "saliency"'),
        (Purpose("edges", 48), "set calibration.whole = true"),
    ],
)
def test_a_source_with_another_purpose_raises(tmp_path, purpose, message):
    recipe = zoo_recipe(tmp_path)
    build.save(toy_network(), tmp_path / "toy", purpose)
    with pytest.raises(RecipeError, match=message):
        open_source(recipe)


def test_fine_tuning_for_another_task_raises(tmp_path):
    recipe = zoo_recipe(tmp_path)
    training = recipe.training["taught"].model_copy(update={"recipe": "tune-saliency"})
    with pytest.raises(
        RecipeError, match="tune-saliency is saliency, and the task of this run is edges"
    ):
        training_recipe(recipe, "taught", training, tmp_path)


def test_what_to_keep_must_be_set_once(tmp_path):
    path = custom_recipe_file(tmp_path)
    text = path.read_text()
    (tmp_path / "none.toml").write_text(text.replace("[prune.counts]", "[other]"))
    with pytest.raises(RecipeError, match="other"):
        load_prune_recipe(tmp_path / "none.toml")
    start, end = text.index("[prune.counts]"), text.index("[timing]")
    (tmp_path / "none.toml").write_text(text[:start] + text[end:])
    with pytest.raises(RecipeError, match=r"one of \[budget\], prune\.counts or prune\.criterion"):
        load_prune_recipe(tmp_path / "none.toml")
    planned = load_prune_recipe(
        tmp_path / "none.toml", ["budget.ratio=0.5", "budget.size=[24, 24]"]
    )
    assert planned.budget.ratio == 0.5
    assert planned.size == (24, 24)


def test_calibration_pictures_come_from_the_seed(tmp_path):
    recipe = load_prune_recipe(custom_recipe_file(tmp_path))
    batches = calibration_pictures(recipe)
    assert [tuple(batch.shape) for batch in batches] == [(8, 3, 24, 24), (1, 3, 24, 24)]
    assert all(batch.min() >= 0 and batch.max() <= 1 for batch in batches)
    again = calibration_pictures(recipe)
    assert all(a.equal(b) for a, b in zip(batches, again, strict=True))
    other = calibration_pictures(recipe.model_copy(update={"seed": 1}))
    assert not other[0].equal(batches[0])
    # Nine crops of three pictures: each picture is cropped at three positions.
    assert len({picture.numpy().tobytes() for batch in batches for picture in batch}) == 9


def test_calibration_that_does_not_fit_in_memory_raises(tmp_path):
    recipe = load_prune_recipe(custom_recipe_file(tmp_path), ["calibration.crop_px=640000"])
    with pytest.raises(RecipeError, match=r"lower calibration\.crop_px"):
        calibration_pictures(recipe)


def test_an_empty_folder_of_pictures_raises(tmp_path):
    path = custom_recipe_file(tmp_path)
    (tmp_path / "empty").mkdir()
    recipe = load_prune_recipe(path, [f"calibration.pictures={tmp_path / 'empty'}"])
    with pytest.raises(RecipeError, match=r"calibration\.pictures: .*empty has no pictures"):
        calibration_pictures(recipe)
