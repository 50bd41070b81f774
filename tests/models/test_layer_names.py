"""Beginnings of layer names, and the batch norms below them."""

import pytest
from torch import nn

from featheredge.errors import RecipeError
from featheredge.models.layer_names import begins, longest_beginning, norms_below
from toys import toy_network


@pytest.mark.parametrize(
    ("name", "beginning", "expected"),
    [
        ("stages.1.0.weight", "stages", True),
        ("stages.1", "stages.1", True),
        ("stages.10", "stages.1", False),
        ("stage", "stages", False),
    ],
)
def test_a_beginning_ends_at_a_dot(name, beginning, expected):
    assert begins(name, beginning) is expected


def test_the_longest_beginning_is_found_in_any_order():
    assert longest_beginning("a.b.c", ["a", "a.b", "a.bc"]) == "a.b"
    assert longest_beginning("a.b.c", ["a.b", "a"]) == "a.b"
    assert longest_beginning("x", ["a"]) is None


def test_norms_below_layers_are_in_the_order_of_the_network():
    network = toy_network()
    norms = norms_below(network, ["encoder"])
    expected = [m for m in network.encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert list(norms.values()) == expected
    assert norms_below(network, ["steps", "encoder"]).keys() > norms.keys()


def test_layers_without_norms_raise():
    with pytest.raises(RecipeError, match=r"below 'stages'.*encoder"):
        norms_below(toy_network(), ["encoder", "stages"])
    with pytest.raises(RecipeError, match="Sequential"):
        norms_below(nn.Sequential(nn.BatchNorm2d(2, affine=False)), ["0"])
