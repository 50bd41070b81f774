"""The comparison of splits: every run is trained and scored once, and the table has the claims."""

import json
import re

import pytest

from featheredge.errors import RecipeError
from featheredge.run_folder import RECIPES_DIR
from featheredge.runs import octave_splits as module
from featheredge.runs import trained
from featheredge.runs.octave_splits import SPLITS, SplitRow, octave_splits, splits_table
from toys import write_masks


@pytest.fixture
def recipe(tmp_path):
    text = (RECIPES_DIR / "octave-split.toml").read_text()
    for old, new in (
        ("epochs = 2", "epochs = 1"),
        ('val_splits = ["val"]', 'val_splits = ["train"]'),
        ("crop_px = 112", "crop_px = 32"),
        ("batch_size = 16", "batch_size = 2"),
        ("warmup_steps = 50", "warmup_steps = 0"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "toy.toml"
    path.write_text(text)
    return path


def test_every_split_is_trained_and_scored_once(recipe, tmp_path, monkeypatch):
    names = ["csnet-extractor-1-0", "csnet-extractor-0-1"]
    monkeypatch.setattr(module, "SPLITS", {name: SPLITS[name] for name in names})
    data, folder, announced = write_masks(tmp_path / "data"), tmp_path / "runs", []
    rows = octave_splits(recipe, data, folder, seeds=2, announce=announced.append)
    assert announced == [f"{name}-{seed}" for seed in (0, 1) for name in names]
    assert [row.split for row in rows] == ["1/0", "0/1"]
    for row, name in zip(rows, names, strict=True):
        for seed, max_f in enumerate(row.max_f):
            score = json.loads((folder / f"{name}-{seed}/score.json").read_bytes())
            assert score["max_f"] == max_f
            assert score["num_images"] == 3
            used = json.loads((folder / f"{name}-{seed}/recipe.json").read_bytes())
            assert used["seed"] == seed
            assert used["network"]["name"] == name
    assert rows[0].num_params == rows[1].num_params  # equal width
    assert rows[0].multiply_adds > rows[1].multiply_adds

    def fail(*args, **kwargs):
        raise AssertionError("a completed step runs again")

    monkeypatch.setattr(trained, "train", fail)
    monkeypatch.setattr(module, "score_masks", fail)
    assert octave_splits(recipe, data, folder, seeds=2) == rows
    longer = tmp_path / "longer.toml"
    longer.write_text(re.sub("epochs = [0-9]+", "epochs = 9", recipe.read_text()))
    with pytest.raises(RecipeError, match="another recipe"):
        octave_splits(longer, data, folder, seeds=2)


def test_the_table_has_the_claims_of_the_paper():
    rows = [
        SplitRow("5/5", 1000, 3e8, (0.8, 0.82)),
        SplitRow("3/1", 1000, 4e8, (0.79, 0.80)),
        SplitRow("1/0", 1000, 6e8, (0.8, 0.8)),
        SplitRow("0/1", 1000, 1.5e8, (0.7, 0.7)),
    ]
    text = splits_table(rows)
    assert "5/5        1,000   0.300  0.8100  0.8000   0.8200" in text
    assert "5/5 over 3/1: +0.0150 max F (paper: +0.014)" in text
    assert "0/1 against 1/0: 75% fewer multiply-adds" in text
    assert "max F: validation pictures, 2 seeds;" in text
    single = splits_table([SplitRow(r.split, 1000, r.multiply_adds, r.max_f[:1]) for r in rows])
    assert "max F: validation pictures, 1 seed;" in single
