"""The moving average of a network's weights, and batch norms that fit changed weights.

Shapes: B batch, C channels, H W pixels.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from featheredge.training.frozen import set_training


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of `network` that follows it: decay x average + (1 - decay) x network.

    For the first 1 / (1 - decay) updates it is their plain mean, so the random initial weights
    leave no trace. Only parameters are averaged. The statistics of batch norms cannot be averaged
    in this way, so call `reestimate_norms` before the average is used.
    """

    def follow(average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        share = max(1 - decay, 1 / (int(updates) + 1))
        return average.lerp(current, share)

    return AveragedModel(network, avg_fn=follow)


@torch.no_grad()
def reestimate_norms(
    network: nn.Module,
    inputs: Iterable[Tensor],
    add_up: Callable[[Tensor], Tensor] = lambda own: own,
) -> None:
    """Estimate the mean and variance of batch norms from the network's activations.

    Frozen ones keep theirs, as in training.

    Args:
        network: Changed in place and left in evaluation mode.
        inputs: Batches of inputs, (B, C, H, W), all of one size. Networks of the zoo take what
            `normalise` returns. The statistics are the plain mean over batches.
        add_up: Replaces a tensor by its sum over all processes, each of which has other batches.
    """
    norms = set_training(network)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's cumulative mean
    count = 0
    for batch in inputs:
        network(batch)
        count += 1
    network.eval()
    total = int(add_up(torch.tensor(count)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        _merge(norm, count, total, add_up)


def _merge(
    norm: nn.modules.batchnorm._BatchNorm,
    count: int,
    total: int,
    add_up: Callable[[Tensor], Tensor],
) -> None:
    """Replace means over `count` batches by those over the `total` of all processes."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    own = torch.stack([norm.running_mean, norm.running_var]).cpu().double()
    mean, var = add_up(own * count) / total
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(var)
    norm.num_batches_tracked.fill_(total)
