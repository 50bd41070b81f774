"""Pooling at any size, and predictions averaged over several sizes."""

import pytest
import torch
import torch.nn.functional as F

from featheredge.errors import ArgumentError
from featheredge.models.multiscale import max_pool, predict_multiscale
from toys import toy_network


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(2, 2), (5, 8), (9, 3)])
def test_pooling_is_that_of_the_library(stride, size):
    x = torch.randn(2, 3, *size) - 3
    torch.testing.assert_close(max_pool(x, stride), F.max_pool2d(x, 2, stride))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_single_row_or_column_stays_one(stride):
    x = torch.randn(1, 2, 1, 6) - 3
    rows = F.max_pool1d(x[:, :, 0], 2, stride)
    torch.testing.assert_close(max_pool(x, stride)[:, :, 0], rows)
    torch.testing.assert_close(max_pool(x.mT, stride)[..., 0], rows)
    torch.testing.assert_close(max_pool(x[..., :1], stride), x[..., :1])


def test_multiscale_is_the_mean_of_single_scales():
    network, image = toy_network(), torch.rand(1, 3, 40, 56)
    expected = torch.zeros(1, 1, 40, 56)
    for size in ((20, 28), (40, 56), (60, 84)):
        copy = F.interpolate(image, size, mode="bilinear")
        logits = network(network.normalise(copy)).final
        expected += F.interpolate(logits.sigmoid(), (40, 56), mode="bilinear") / 3
    torch.testing.assert_close(predict_multiscale(network, image), expected)


def test_one_scale_is_the_network_itself():
    network, image = toy_network(), torch.rand(2, 3, 7, 9)
    expected = network(network.normalise(image)).final.sigmoid()
    torch.testing.assert_close(predict_multiscale(network, image, [1.0]), expected)
    assert predict_multiscale(network, image, [0.01]).shape == (2, 1, 7, 9)


@pytest.mark.parametrize("scales", [(), (1.0, 0.0), (-1.0,)])
def test_scales_that_are_none_are_refused(scales):
    with pytest.raises(ArgumentError, match="above 0"):
        predict_multiscale(toy_network(), torch.rand(1, 3, 8, 8), scales)
