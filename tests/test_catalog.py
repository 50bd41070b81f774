"""The catalog: names are found or the nearest are given; every shipped entry is true."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featheredge
from featheredge import catalog
from featheredge.errors import UnknownModelError, WeightsError
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.session import Session


@pytest.fixture
def three(monkeypatch, entry):
    names = ("mobile-edge", "mobile-edge-tiny", "csnet-l")
    entries = tuple(
        replace(entry, name=name, task="saliency" if name == "csnet-l" else "edges")
        for name in names
    )
    monkeypatch.setattr(catalog, "ENTRIES", entries)
    return entries


def test_find_gives_the_entry(three):
    assert [catalog.find(entry.name) for entry in three] == list(three)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mobileedge", "did you mean mobile-edge or mobile-edge-tiny"),
        ("csnet", "did you mean csnet-l"),
        ("zzz", "choose one of mobile-edge, mobile-edge-tiny, csnet-l"),
    ],
)
def test_unknown_names_get_the_nearest(three, name, near):
    with pytest.raises(UnknownModelError, match=f"{name!r}; {near}"):
        catalog.find(name)


def test_default_is_the_first_of_the_task(three):
    assert catalog.default("edges").name == "mobile-edge"
    assert catalog.default("saliency").name == "csnet-l"
    with pytest.raises(UnknownModelError, match="no model for 'depth'"):
        catalog.default("depth")


def test_patterns(three):
    assert featheredge.list_models() == list(three)
    assert [entry.name for entry in featheredge.list_models("*edge")] == ["mobile-edge"]
    assert featheredge.list_models("nothing*") == []


def test_missing_weights_are_named(entry):
    with pytest.raises(WeightsError, match=r"toy: .*gone\.onnx is missing"):
        catalog.weights_path(replace(entry, file="gone.onnx"))


def test_shipped_names_are_unique():
    names = [entry.name for entry in catalog.ENTRIES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("entry", catalog.ENTRIES, ids=lambda entry: entry.name)
def test_shipped_weights_are_what_the_entry_says(entry, noise):
    data = catalog.weights_path(entry).read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry.sha256
    assert len(data) <= 10e6
    session = Session(entry.name)
    assert (session.name, session.task, session.stride) == (entry.name, entry.task, entry.stride)
    map = session(noise(33, 47))
    assert map.shape == (33, 47)
    assert 0 <= map.min() <= map.max() <= 1


@pytest.mark.parametrize("entry", catalog.ENTRIES, ids=lambda entry: entry.name)
def test_every_score_names_its_protocol(entry):
    for score in entry.scores:
        assert score.measure
        assert score.dataset
        assert score.protocol
        assert 0 < score.value < 1


def test_saliency_scores_name_the_protocol_that_the_evaluator_prints():
    scores = [score for e in catalog.ENTRIES if e.task == "saliency" for score in e.scores]
    assert scores
    assert {s.protocol for s in scores} == {f"300 pictures; {SaliencyProtocol('pysod').describe()}"}


@pytest.mark.slow
@pytest.mark.parametrize("entry", catalog.ENTRIES, ids=lambda entry: entry.name)
def test_seams_of_shipped_networks_are_invisible(entry):
    """Enlarged, a photo has the blank stretches in which a network looks furthest."""
    with Image.open(Path(__file__).parents[1] / "examples" / "coffee.jpg") as photo:
        large = photo.resize((photo.width * 3, photo.height * 3))
    whole = Session(entry.name, tile_px=4096)(large)
    difference = np.abs(Session(entry.name)(large) - whole)
    assert difference.mean() < 0.002
    assert difference.max() < 0.05
