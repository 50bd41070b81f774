"""Coarse maps stay over their pixels; predictions over several sizes are averaged."""

import pytest
import torch
import torch.nn.functional as F

from featheredge.errors import ArgumentError
from featheredge.models.scales import enlarge, predict_multiscale
from toys import toy_network


@pytest.mark.parametrize("factor", [1, 2, 8])
@pytest.mark.parametrize("size", [(1, 1), (16, 24), (37, 50)])
def test_a_ramp_stays_where_it_is(factor, size):
    height, width = size
    cells = [-(-side // factor) for side in size]
    # Each cell holds the position of its own centre.
    rows, columns = (factor * torch.arange(n) + (factor - 1) / 2 for n in cells)
    coarse = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]
    ramp = enlarge(coarse, factor, torch.empty(1, 3, height, width))
    assert ramp.shape == (1, 2, height, width)
    inside = slice(factor, -factor) if factor > 1 else slice(None)
    for axis, side in ((0, height), (1, width)):
        positions = torch.arange(side).float()
        expected = positions[:, None] if axis == 0 else positions[None]
        difference = (ramp[0, axis] - expected)[inside, inside]
        assert (difference.abs() < 1e-4).all()


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
