"""Recipes of earlier versions: a file is refused with what to change, a run's recipe is read."""

import pytest

from featheredge.errors import RecipeError
from featheredge.training.old_recipes import upgrade
from featheredge.training.recipe import make_recipe

NETWORK = {"name": "mobile-edge"}


@pytest.mark.parametrize(
    ("old", "said"),
    [
        (
            {"data": {"dataset": "masks", "root": "a"}, "loss": {"kind": "mask"}},
            'add task = "saliency" above the first section, remove data.dataset, remove loss.kind',
        ),
        ({"data": {"dataset": "masks", "root": "a"}}, 'add task = "saliency"'),
        ({"data": {"dataset": "bsds500", "root": "a"}}, 'add task = "edges"'),
        ({"task": "edges", "data": {"root": "a"}, "loss": {"kind": "edges"}}, "remove loss.kind"),
    ],
)
def test_a_file_is_refused_with_what_to_change(old, said):
    with pytest.raises(RecipeError) as caught:
        make_recipe({"name": "old", "network": NETWORK, **old}, "old.toml")
    assert said in str(caught.value)
    assert make_recipe({"name": "old", "network": NETWORK, **upgrade(old).table}, "new.toml")


def test_a_recipe_of_today_stays_as_it_is():
    table = {"task": "edges", "data": {"root": "a"}, "loss": {"eta": 0.3}}
    assert upgrade(table) == (table, [])


@pytest.mark.parametrize(
    ("input_px", "crop_px", "expected"),
    [
        (224, 224, {"task": "saliency"}),
        (224, 200, {"task": "saliency", "input_px": 224}),
        (None, 224, {}),
    ],
)
def test_the_size_of_a_prune_recipe_is_that_of_its_calibration(input_px, crop_px, expected):
    rest = {"source": "a", "calibration": {"whole": True, "crop_px": crop_px}}
    assert upgrade({**rest, "input_px": input_px}).table == {**rest, **expected}
