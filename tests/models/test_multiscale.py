"""Predictions averaged over several sizes."""

import pytest
import torch
import torch.nn.functional as F

from featheredge.errors import ArgumentError
from featheredge.models.multiscale import predict_multiscale
from toys import toy_network


def test_multiscale_is_the_mean_of_single_scales():
    network, image = toy_network(), torch.rand(1, 3, 40, 56)
    expected = torch.zeros(1, 1, 40, 56)
    for size in ((20, 28), (40, 56), (60, 84)):
        copy = F.interpolate(image, size, mode="bilinear")
        logits = network(network.normalise(copy)).final
        expected += F.interpolate(logits.sigmoid(), (40, 56), mode="bilinear") / 3
    torch.testing.assert_close(predict_multiscale(network, image), expected)


def test_scale_1_equals_the_network():
    network, image = toy_network(), torch.rand(2, 3, 7, 9)
    expected = network(network.normalise(image)).final.sigmoid()
    torch.testing.assert_close(predict_multiscale(network, image, [1.0]), expected)
    assert predict_multiscale(network, image, [0.01]).shape == (2, 1, 7, 9)


@pytest.mark.parametrize("scales", [(), (1.0, 0.0), (-1.0,)])
def test_invalid_scales_raise(scales):
    with pytest.raises(ArgumentError, match="above 0"):
        predict_multiscale(toy_network(), torch.rand(1, 3, 8, 8), scales)
