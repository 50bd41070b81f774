"""Time a network with planned counts beside the unpruned one."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from featheredge.channels.cut import cut
from featheredge.models.cost import num_params
from featheredge.runs import time_share
from featheredge.timing import Clock
from masking import randomised
from toys import toy_network

EXAMPLE = torch.zeros(1, 3, 32, 32)


def custom_network():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 2, 1))


@pytest.mark.parametrize(
    ("make", "counts"),
    [(toy_network, {"encoder.features.3.conv.0.0": 6}), (custom_network, {"0": 5})],
    ids=["zoo", "custom"],
)
def test_the_share_of_time_is_that_of_the_cut_network(monkeypatch, tmp_path, make, counts):
    """On a fake clock a network takes one second per parameter, and longer in early runs."""
    network, seconds, turns = randomised(make()), [0.0], []
    monkeypatch.setattr(time_share, "clock_for", lambda threads: Clock("fake", lambda: seconds[0]))

    def timing_case(path, threads):
        assert threads == 3
        size = int(path.read_text())

        def run():
            turns.append(size)
            seconds[0] += size * (1 + 1 / len(turns))

        return run

    def export(network, path):
        path.write_text(str(num_params(network)))

    source = SimpleNamespace(network=network, export=export, timing_case=timing_case)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    export(network, tmp_path / "whole.onnx")
    share = time_share.share_of_time(
        source, tmp_path / "whole.onnx", counts, EXAMPLE, threads=3, rounds=200
    )
    keep = {group: range(n) for group, n in counts.items()}
    smaller = num_params(cut(network, keep, example=EXAMPLE))
    assert share == pytest.approx(smaller / num_params(network), rel=1e-3)
    assert turns == [num_params(network), smaller] * 201
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
