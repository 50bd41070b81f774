"""The moving average against its recurrence."""

import pytest
import torch

from featheredge.training.average import moving_average


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor([99.0]))
        self.register_buffer("running", torch.tensor([99.0]))
        self.register_buffer("steps", torch.tensor(0))

    def go_to(self, step: int) -> None:
        self.value.data.fill_(step**2)
        self.running.fill_(-step)
        self.steps.fill_(step)


def follow(decay: float, steps: int):
    network = Counter()
    average = moving_average(network, decay)
    for step in range(1, steps + 1):
        network.go_to(step)
        average.update_parameters(network)
    return average.module


def test_starts_as_the_plain_mean():
    average = follow(decay=0.9, steps=10)
    assert average.value.item() == pytest.approx(sum(s**2 for s in range(1, 11)) / 10)
    assert average.running.item() == pytest.approx(-5.5)
    assert average.steps.item() == 10


def test_goes_on_with_the_decay():
    expected = sum(s**2 for s in range(1, 11)) / 10
    for step in range(11, 31):
        expected = 0.9 * expected + 0.1 * step**2
    assert follow(decay=0.9, steps=30).value.item() == pytest.approx(expected, rel=1e-5)
