"""The task and the input size of a network are saved and loaded with it."""

import json

import pytest

from featheredge.errors import WeightsError
from featheredge.models import build
from featheredge.models.network import Purpose
from featheredge.models.purpose import read_purpose
from featheredge.session import Session
from toys import toy_network


@pytest.mark.parametrize("purpose", [None, Purpose("edges"), Purpose("saliency", 224)])
def test_a_saved_network_has_its_purpose(tmp_path, purpose):
    build.save(toy_network(), tmp_path, purpose)
    assert read_purpose(str(tmp_path)) == purpose
    assert build.load(tmp_path).config == toy_network().config


def test_shipped_networks_have_a_purpose():
    assert read_purpose("mobile-edge-s") == Purpose("edges")
    assert read_purpose("feather-saliency") == Purpose(
        "saliency", Session("feather-saliency").input_px
    )
    assert read_purpose("pidinet:weights.safetensors") is None


@pytest.mark.parametrize("fields", [{"task": "masks"}, {"input_px": 224}])
def test_an_invalid_purpose_raises(tmp_path, fields):
    build.save(toy_network(), tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | fields))
    with pytest.raises(WeightsError, match=r"config\.json"):
        read_purpose(str(tmp_path))
