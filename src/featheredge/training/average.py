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

    For the first 1 / (1 - decay) updates it is their plain mean, so the random initial weights
    leave no trace. Only parameters are averaged. The statistics of batch norms cannot be averaged
    in this way, so call `reestimate_norms` before the average is used.
    """

    def follow(average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        share = max(1 - decay, 1 / (int(updates) + 1))
        return average.lerp(current, share)

    return AveragedModel(network, avg_fn=follow)


@torch.no_grad()
def reestimate_norms(network: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Estimate the mean and variance of batch norms from the network's activations.

    Frozen ones keep theirs, as in training.

    Args:
        network: Changed in place and left in evaluation mode.
        inputs: Batches of inputs, (B, C, H, W), all of one size. Networks of the zoo take what
            `normalise` returns. The statistics are the plain mean over batches.
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
