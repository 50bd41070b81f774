"""Frozen layers: neither weights nor statistics move, and everything else learns."""

import pytest
import torch

from featheredge.models import build
from featheredge.training.average import reestimate_norms
from featheredge.training.frozen import freeze, set_training
from featheredge.training.loop import train
from featheredge.training.recipe import load_recipe
from toys import toy_network, write_bsds, write_recipe

FROZEN = "encoder.features.0"
RATES = {"encoder": 0.5, FROZEN: 0.0}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def copy(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_the_longest_beginning_decides_what_is_frozen():
    network = toy_network()
    freeze(network, {"encoder": 0.0, "encoder.features.1": 0.3})
    for name, parameter in network.named_parameters():
        encoder = name.startswith("encoder.") and not name.startswith("encoder.features.1.")
        assert parameter.requires_grad is not encoder, name


def test_a_pass_in_training_leaves_frozen_statistics_alone():
    network = toy_network()
    freeze(network, RATES)
    before = copy(network)
    learning = set_training(network)
    network(torch.rand(2, 3, 64, 64))
    moved = changed(before, network.state_dict())
    assert moved == {name for name in before if "running" in name or "num_batches" in name} - {
        name for name in before if name.startswith(FROZEN + ".")
    }
    assert all(norm.training for norm in learning)


def test_only_the_other_norms_estimate_their_statistics_again():
    network = toy_network()
    freeze(network, RATES)
    before = copy(network)
    reestimate_norms(network, [torch.rand(2, 3, 64, 64)])
    moved = changed(before, network.state_dict())
    assert moved
    assert not any(name.startswith(FROZEN + ".") for name in moved)


def test_a_run_keeps_what_its_recipe_freezes(tmp_path):
    bsds = write_bsds(write_bsds(tmp_path / "bsds", "train", 4), "val", 2)
    initial = toy_network()
    build.save(initial, tmp_path / "initial")
    settings = [
        f"network.initial={(tmp_path / 'initial').as_posix()}",
        "optimiser.rates={encoder = 0.5, 'encoder.features.0' = 0}",
    ]
    recipe = load_recipe(write_recipe(tmp_path, bsds), settings)
    trained = build.load(train(recipe, tmp_path / "run"))
    moved = changed(initial.state_dict(), trained.state_dict())
    for name in initial.state_dict():
        if name.startswith((FROZEN + ".", "encoder.features.1.")):
            assert (name in moved) is not name.startswith(FROZEN + "."), name


@pytest.mark.parametrize("rate", [-0.1, -1])
def test_a_negative_rate_is_refused(rate, tmp_path):
    bsds = write_bsds(tmp_path / "bsds", "train", 1)
    with pytest.raises(ValueError, match=r"rates"):
        load_recipe(write_recipe(tmp_path, bsds), [f"optimiser.rates={{encoder={rate}}}"])
