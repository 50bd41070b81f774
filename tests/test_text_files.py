"""JSON and TOML files have limits, and every problem is an error that callers handle."""

import json

import pytest

from featheredge import text_files
from featheredge.errors import EvaluationError, RecipeError
from featheredge.report.collect import read_score
from featheredge.text_files import read_json, read_toml
from featheredge.training.recipe import load_recipe


def test_files_are_parsed(tmp_path):
    (tmp_path / "x.json").write_text('{"a": [1]}')
    (tmp_path / "x.toml").write_text("a = [1]")
    assert read_json(tmp_path / "x.json") == read_toml(tmp_path / "x.toml") == {"a": [1]}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "", "nul", "9" * 5000])
def test_what_is_not_json_is_a_value_error(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_json(tmp_path / "x.json")
    with pytest.raises(EvaluationError, match="not a score file"):
        read_score(tmp_path / "x.json")


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = " + "{a=" * 50_000, "= 1", "\ud800"])
def test_what_is_not_toml_is_a_value_error(tmp_path, text):
    (tmp_path / "x.toml").write_text(text, errors="surrogatepass")
    with pytest.raises(ValueError, match=r"."):
        read_toml(tmp_path / "x.toml")
    with pytest.raises(RecipeError, match="not a TOML file"):
        load_recipe(tmp_path / "x.toml")


def test_files_over_the_limit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_JSON_MEGABYTES", 0)
    (tmp_path / "x.json").write_text(json.dumps([0] * 100))
    with pytest.raises(OSError, match="larger than"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.toml").write_text("#" * 300_000)
    with pytest.raises(RecipeError, match="cannot be read: larger than 256,000 bytes"):
        load_recipe(tmp_path / "x.toml")
