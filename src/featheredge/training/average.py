"""The moving average of a network's weights, and batch norms that fit changed weights.

Shapes: B batch, C channels, H W pixels.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from featheredge.training.frozen import set_training


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of `network` that follows it: average <- decay x average + (1 - decay) x network.

    Until 1 / (1 - decay) updates have been made it is the plain mean of them all, so the random
    initial weights leave no trace. Only parameters are averaged. The mean of many networks'
    activation statistics is not the statistics of their mean, so `reestimate_norms` must be
    called before the average is used.
    """

    def follow(average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        share = max(1 - decay, 1 / (int(updates) + 1))
        return average.lerp(current, share)

    return AveragedModel(network, avg_fn=follow)


@torch.no_grad()
def reestimate_norms(network: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set batch norms' mean and variance to those of the network's own activations.

    Frozen ones keep what they have, as in training.

    Args:
        network: Changed in place and left in evaluation mode.
        inputs: Batches of what it takes, (B, C, H, W), all of one size (networks of the zoo take
            what `normalise` returns); the statistics are the plain mean over batches.
    """
    norms = set_training(network)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's cumulative mean
    for batch in inputs:
        network(batch)
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
