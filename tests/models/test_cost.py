"""The cost of channels, compared with the whole network and with costs computed by hand."""

import pytest
from torch import nn

from featheredge.models.build import create_model
from featheredge.models.cost import channel_multiply_adds, multiply_adds
from featheredge.models.csnet import CSNet, fixed_split


@pytest.mark.parametrize("name", ["csnet-x1", "csnet-l-x2"])
def test_the_costs_of_all_channels_add_up_to_the_network(name):
    network = create_model(name)
    costs = channel_multiply_adds(network, 64)
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert costs.keys() == norms.keys()
    classifier = network.config.head.merge * 32 * 32
    total = sum(costs[name] * norm.num_features for name, norm in norms.items()) + classifier
    assert total == pytest.approx(multiply_adds(lambda: create_model(name), 64, 64))


def test_paths_are_counted_at_the_size_of_their_convolution():
    costs = channel_multiply_adds(CSNet(fixed_split(12)), 32)
    assert costs["stages.0.0.mix_act.0.0"] == 3 * 9 * 32 * 32
    assert costs["stages.0.0.mix_act.1.0"] == 3 * 9 * 16 * 16
    assert costs["stages.1.0.mix_act.0.0"] == 6 * 32 * 32 + 6 * 16 * 16
    assert costs["stages.1.0.mix_act.1.0"] == 12 * 16 * 16
    assert costs["stages.1.0.depthwise2.1.1.0"] == 9 * 16 * 16
