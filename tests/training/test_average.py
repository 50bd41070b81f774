"""The moving average against its recurrence."""

import pytest
import torch

from featheredge.training.average import moving_average, reestimate_norms
from toys import toy_network


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor([99.0]))

    def go_to(self, step: int) -> None:
        self.value.data.fill_(step**2)


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


def test_goes_on_with_the_decay():
    expected = sum(s**2 for s in range(1, 11)) / 10
    for step in range(11, 31):
        expected = 0.9 * expected + 0.1 * step**2
    assert follow(decay=0.9, steps=30).value.item() == pytest.approx(expected, rel=1e-5)


def test_reestimated_norms_make_evaluation_equal_training():
    """On the very batch they were estimated on, both modes normalise by the same numbers."""
    network = toy_network()
    batch = torch.rand(4, 3, 64, 64)
    before = network(network.normalise(batch)).final
    reestimate_norms(network, [network.normalise(batch)])
    assert not network.training
    after = network(network.normalise(batch)).final
    expected = network.train()(network.normalise(batch)).final
    # Not quite equal: the running variance divides by n - 1, the batch's own by n.
    assert (after - expected).abs().mean() < 0.1 * (before - expected).abs().mean()


def test_reestimation_averages_batches_and_forgets_the_past():
    first, second = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32) / 3
    network = toy_network(seed=1)
    reestimate_norms(network, map(network.normalise, [first, second]))
    reestimate_norms(network, map(network.normalise, [first, second]))
    mean = network.encoder.features[0][1].running_mean
    stem = network.encoder.features[0][0]
    expected = sum(stem(network.normalise(b)).mean((0, 2, 3)) for b in (first, second)) / 2
    torch.testing.assert_close(mean, expected, rtol=1e-4, atol=1e-5)
    assert network.encoder.features[0][1].momentum == 0.1
