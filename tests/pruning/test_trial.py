"""Trials: what a plan would leave is timed beside the whole network."""

from types import SimpleNamespace

import pytest
import torch
from masking import randomised

from featheredge.models.cost import num_params
from featheredge.pruning import trial
from featheredge.pruning.surgery import cut
from featheredge.timing import Clock
from toys import toy_network

COUNTS = {"encoder.features.3.conv.0.0": 6}


def test_the_share_is_that_of_the_cut_network(monkeypatch, tmp_path):
    """On a clock by which a network takes as long as it has parameters, and more at first."""
    network, seconds, turns = randomised(toy_network()), [0.0], []
    monkeypatch.setattr(trial, "clock_for", lambda threads: Clock("fake", lambda: seconds[0]))

    def case(path, threads):
        assert threads == 3
        size = int(path.read_text())

        def run():
            turns.append(size)
            seconds[0] += size * (1 + 1 / len(turns))

        return run

    def export(network, path):
        path.write_text(str(num_params(network)))

    source = SimpleNamespace(network=network, export=export, case=case)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    export(network, tmp_path / "whole.onnx")
    share = trial.share_of_time(source, tmp_path / "whole.onnx", COUNTS, threads=3, rounds=200)
    smaller = num_params(cut(network, {group: range(n) for group, n in COUNTS.items()}))
    assert share == pytest.approx(smaller / num_params(network), rel=1e-3)
    assert turns == [num_params(network), smaller] * 201
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
