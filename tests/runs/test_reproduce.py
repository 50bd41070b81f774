"""Reproduce a table with toy networks: every row is scored, and completed steps do not repeat."""

import json

import pytest
from safetensors.torch import save_file

from featheredge.models import build
from featheredge.models.cost import num_params
from featheredge.runs import reproduce
from featheredge.runs.reproduce import EDGE_DISTILLATION, Row, Setting, edge_distillation, table
from toys import toy_network, write_bsds, write_recipe

pytestmark = pytest.mark.usefixtures("share_traces")

#: One learns from stored maps, the other from the features of a teacher.
TWO = [EDGE_DISTILLATION[1], EDGE_DISTILLATION[3]]
ADAPTOR = """
[distill]
teachers = ["elsewhere"]
[distill.adaptor]
student_layer = "encoder"
teacher_layer = "encoder"
"""


@pytest.fixture
def setting(tmp_path):
    bsds = tmp_path / "bsds"
    for seed, split in enumerate(("train", "test")):
        write_bsds(bsds, split, 3, seed)
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    for experiment in TWO:
        path = write_recipe(recipes, bsds, f"{experiment.recipe}-fast")
        text = path.read_text().replace("epochs = 4", "epochs = 1")
        text = text.replace("[data]", "[data]\nval_splits = []")
        if "output" in experiment.recipe:
            text = text.replace("[data]", '[data]\nmaps = "elsewhere"')
            text += "\n[distill.output]\n"
        if "adaptor" in experiment.recipe:
            text += ADAPTOR
        path.write_text(text)
    build.save(toy_network(7), tmp_path / "teacher")
    save_file(toy_network(8).encoder.state_dict(), tmp_path / "backbone.safetensors")
    teacher, folder = str(tmp_path / "teacher"), tmp_path / "chain"
    return Setting(bsds, tmp_path / "backbone.safetensors", teacher, recipes, folder)


def test_every_experiment_is_run_and_scored_once(setting, monkeypatch):
    monkeypatch.setattr(reproduce, "EDGE_DISTILLATION", TWO)
    announced = []
    rows = edge_distillation(setting, announce=announced.append)
    names = [f"{experiment.recipe}-fast" for experiment in TWO]
    assert [row.recipe for row in rows] == ["teacher", *names]
    assert "maps for edge-kd-output-fast" in announced
    for row in rows:
        score = json.loads((setting.folder / row.recipe / "score.json").read_bytes())
        assert score["ods"]["f"] == row.measured
        assert score["num_images"] == 3
        assert row.num_params == num_params(toy_network())
    taught = json.loads((setting.folder / "edge-kd-adaptor-fast/recipe.json").read_bytes())
    assert taught["distill"]["teachers"] == [setting.teacher]

    def fail(*args, **kwargs):
        raise AssertionError("a completed step runs again")

    monkeypatch.setattr(reproduce, "train", fail)
    monkeypatch.setattr(reproduce, "score_bsds", fail)
    assert edge_distillation(setting) == rows


def test_the_table_shows_published_measured_and_difference():
    rows = [
        Row("with a teacher", "a", 0.78, 0.771, 1_234_567, 1.5e9),
        Row("left out by the paper", "b", None, 0.5, 1, 1.0),
    ]
    first, second = table(rows).splitlines()[1:3]
    for part in ("with a teacher", "0.7800", "0.7710", "1,234,567", "1.500", "-0.0090"):
        assert part in first
    assert "0.5000" in second
    assert "+" not in second
