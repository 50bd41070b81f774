"""A config.json from elsewhere is checked before anything is allocated for it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from featheredge.errors import FeatheredgeError, RecipeError, WeightsError
from featheredge.models import build
from toys import toy_network


@pytest.fixture
def change(tmp_path) -> Callable[[str, object], Path]:
    """A function that saves a toy network and changes a field of its configuration."""
    network = toy_network()

    def write(field: str, value: object) -> Path:
        build.save(network, tmp_path)
        stored = json.loads((tmp_path / "config.json").read_text())
        stored["config"][field] = value
        (tmp_path / "config.json").write_text(json.dumps(stored))
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("stem", 10**9, r"MobileEdge\.stem has the value 1000000000; expected at most 16384"),
        ("head", 2**70, "head"),
        ("dilations", [1] * 100_000, "dilations has 100000 entries; expected at most 256"),
        ("blocks", [{"hidden": 8, "out": 10**9}], r"blocks\.out has the value 1000000000"),
        ("stem", -1, "stem"),
        ("stem", 8.5, "stem"),
        ("stem", True, ""),
        ("unknown", 1, "unknown"),
        ("blocks", "x" * 1000, "blocks"),
        ("blocks", None, "blocks"),
    ],
)
def test_values_that_no_network_has_are_refused_at_once(change, field, value, expected):
    folder, started = change(field, value), time.monotonic()
    with pytest.raises(FeatheredgeError, match=expected):
        build.load(folder)
    assert time.monotonic() - started < 10


def test_many_blocks_are_refused_before_they_are_built():
    with pytest.raises(RecipeError, match="depths"):
        build.create_model("csf-resnet50", widths={"encoder": {"depths": [10**9, 1, 1, 1]}})


def test_widths_beyond_the_weights_are_refused_without_memory_for_them(change, monkeypatch):
    """The network of this configuration would take 1.4 GB; it is built on the meta device only."""
    made, (network, config) = [], build.CLASSES["MobileEdge"]

    def record(validated):
        made.append(torch.empty(0).device.type)
        return network(validated)

    monkeypatch.setitem(build.CLASSES, "MobileEdge", (record, config))
    folder = change("blocks", [{"hidden": 16384, "out": 16000, "stride": 2}])
    with pytest.raises(WeightsError, match="the weights do not fit"):
        build.load(folder)
    assert set(made) == {"meta"}


@pytest.mark.parametrize("text", ["", "[]", "3", '{"network": 3}', "[" * 100_000, '{"network": 1}'])
def test_other_texts_are_one_sentence(tmp_path, text):
    build.save(toy_network(), tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(WeightsError):
        build.load(tmp_path)
