"""Find the channels that training has kept, and cut the others."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from featheredge.channels.cut import cut
from featheredge.channels.groups import find_groups
from featheredge.errors import ArgumentError, RecipeError
from featheredge.models.build import create_model
from featheredge.models.csf import HeadWidths
from featheredge.models.csnet import CSNet, CSNetConfig
from featheredge.pruning.learned import learned_channels, norm_spreads, saving, spread_histogram
from featheredge.training.average import reestimate_norms
from masking import masked, randomised
from toys import toy_network

TOY = CSNetConfig(
    (((3, 2),), ((2, 3),), ((3, 2), (4, 0)), ((3, 2), (5, 0)), ((2, 4), (6, 0))),
    HeadWidths((3, 3, 4), ((0, 1, 1, 1, 1), (1, 0, 1, 1, 1), (1, 1, 1, 1, 1)), 6),
)


@cache
def groups():
    return find_groups(CSNet(TOY))


def norms_of(block: Any, scale: int) -> list[nn.BatchNorm2d]:
    """The three norms that the channels of a block pass at one scale."""
    depthwise = [getattr(block, f"depthwise{i}")[scale][1][0] for i in (1, 2)]
    return [block.mix_act[scale][0], *depthwise]


def blocks_and_scales(network: Any):
    for stage in network.stages:
        for block in stage:
            for scale in range(len(block.mix_act)):
                yield block, scale


def decayed(seed: int, scale: float = 1e-30) -> CSNet:
    """A network in which some channels have lost the scale of one of their norms."""
    torch.manual_seed(seed)
    network, random = randomised(CSNet(TOY)), np.random.default_rng(seed)
    with torch.no_grad():
        for block, at in blocks_and_scales(network):
            norms = norms_of(block, at)
            for channel in random.permutation(norms[0].num_features)[1:]:
                if random.random() < 0.5:
                    norms[random.integers(3)].weight[channel] = random.choice([-scale, scale])
    return network


@settings(max_examples=10)
@given(seed=st.integers(0, 1000))
def test_the_cut_network_matches_the_network_with_decayed_channels_masked(seed):
    network, image = decayed(seed), torch.rand(1, 3, 32, 48)
    learned = learned_channels(network, groups=groups())
    smaller = cut(network, learned.keep, groups=groups())
    with torch.no_grad():
        pruned = smaller(image).final
    expected = masked(network, groups(), learned.keep, image).final
    torch.testing.assert_close(pruned, expected, rtol=0, atol=1e-5)


def test_channels_with_no_decayed_scale_are_kept():
    network = decayed(7)
    alive = [
        sum(
            all(norm.weight[channel].abs() >= 1e-4 for norm in norms_of(block, scale))
            for channel in range(norms_of(block, scale)[0].num_features)
        )
        for block, scale in blocks_and_scales(network)
    ]
    config = cut(network, learned_channels(network).keep).config
    assert [w for stage in config.stages for block in stage for w in block if w] == alive
    assert config.head == TOY.head, "the head does not decay"
    assert sum(alive) < sum(w for stage in TOY.stages for block in stage for w in block)


def test_the_next_norm_removes_the_constant_of_a_decayed_channel():
    """This is exact if the reader is a 1x1 layer; a 3x3 one pads with zeros."""
    torch.manual_seed(0)
    network = randomised(CSNet(TOY))
    with torch.no_grad():
        for number, scale in ((0, 0), (0, 1), (2, 0), (3, 1), (4, 1)):
            last = norms_of(network.stages[number][0], scale)[2]
            last.weight[1] = 1e-30
            assert last.bias[1] != 0
    smaller = cut(network, learned_channels(network).keep)
    images = [torch.rand(4, 3, 32, 32) for _ in range(2)]
    for each in (network, smaller):
        reestimate_norms(each, images)
    with torch.no_grad():
        torch.testing.assert_close(smaller(images[0]).final, network(images[0]).final)


def test_residual_networks_lose_channels_that_decayed_in_all_layers():
    network = toy_network()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("encoder.") and parameter.ndim == 1 and name.endswith("weight"):
                parameter[0] = 0
    learned = learned_channels(network, layers=["encoder"])
    assert all(0 not in units for units in learned.keep.values())
    assert set(map(len, learned.keep.values())) != set(learned.sizes.values())
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        pruned = cut(network, learned.keep)(image).final
    expected = masked(network, find_groups(network), learned.keep, image).final
    torch.testing.assert_close(pruned, expected, rtol=0, atol=1e-5)


def test_the_gap_is_wide_if_training_separates_the_channels():
    network = decayed(3, scale=1e-30)  # those that are kept are 0.5 or more
    assert 29.5 < learned_channels(network, groups=groups()).gap < 31
    same = [learned_channels(network, threshold=t, groups=groups()) for t in (1e-20, 1e-4)]
    assert same[0] == same[1]
    undecided = learned_channels(network, threshold=0.8, groups=groups())
    assert undecided.gap < 1
    whole = learned_channels(randomised(CSNet(TOY)), groups=groups())
    assert whole.gap == float("inf")
    assert {name: len(units) for name, units in whole.keep.items()} == whole.sizes


def test_a_spread_is_the_standard_deviation_of_the_norm_output():
    """This holds even if the variance of the input is small compared with eps."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3, momentum=None)
    x = torch.randn(4, 3, 50, 50) * torch.tensor([1.0, 3e-3, 1e-9]).view(-1, 1, 1)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -2.0, 1.0]))
        norm(x)
        deviations = norm.eval()(x).std((0, 2, 3))
    network = nn.ModuleDict({"stages": norm})
    np.testing.assert_allclose(norm_spreads(network)["stages"], deviations.numpy(), rtol=1e-3)
    assert deviations[2] < 1e-6


def test_the_strongest_unit_of_a_decayed_group_is_kept():
    network = randomised(CSNet(TOY))
    norm = network.stages[2][1].mix_act[0][0]
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1e-9, 1e-6, 1e-8, 0]))
    learned = learned_channels(network, groups=groups())
    decayed_group = next(name for name in learned.keep if name.startswith("stages.2.1."))
    assert learned.keep[decayed_group] == [1]
    cut(network, learned.keep, groups=groups())
    with pytest.raises(ArgumentError, match=r"last block of a fused stage|no channels left"):
        cut(network, learned.keep | {decayed_group: []}, groups=groups())


def test_a_histogram_counts_every_spread_once():
    network = decayed(1)
    with torch.no_grad():
        network.stages[0][0].mix_act[0][0].weight[:] = torch.tensor([0.0, 1e-44, 500.0])
    spreads = norm_spreads(network)
    counts, edges = spread_histogram(spreads)
    assert counts.sum() == sum(map(len, spreads.values()))
    assert len(edges) == len(counts) + 1
    values = np.concatenate(list(spreads.values()))
    for count, low, high in zip(counts[1:-1], edges[1:], edges[2:-1], strict=False):
        assert count == ((values >= low) & (values < high)).sum()
    assert counts[0] == 1
    assert counts[-1] == 1


def test_a_saving_counts_both_networks():
    before, after = create_model("csnet-x1"), create_model("csnet-l-x1")
    found = saving(before, after, 224)
    assert found.params == (210_985, 93_647)
    assert [round(work / 1e9, 3) for work in found.multiply_adds] == [0.433, 0.284]
    expected = "210,985 -> 93,647 parameters (-55.6%), 0.433 -> 0.284 GMAC (-34."
    assert str(found).startswith(expected)


def test_invalid_thresholds_and_networks_raise():
    with pytest.raises(ArgumentError, match="threshold is 0; give a number above 0"):
        learned_channels(CSNet(TOY), threshold=0)
    with pytest.raises(RecipeError, match="no batch norm below 'stages'"):
        learned_channels(toy_network())
