"""The moving average of a network's weights, which is what a run keeps."""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of `network` that follows it: average <- decay x average + (1 - decay) x network.

    Until 1 / (1 - decay) updates have been made it is the plain mean of them all, so the random
    initial weights leave no trace. Parameters and buffers are averaged; counters are copied.
    """

    def follow(average: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        if not average.is_floating_point():
            return current
        share = max(1 - decay, 1 / (int(updates) + 1))
        return average.lerp(current, share)

    return AveragedModel(network, avg_fn=follow, use_buffers=True)
