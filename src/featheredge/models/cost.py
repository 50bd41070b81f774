"""What a network costs: parameters and multiply-adds."""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def num_params(network: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(make: Callable[[], nn.Module], height: int, width: int) -> float:
    """Multiply-adds of convolutions and matrix products for one picture of `height` x `width`.

    Counted by PyTorch on tensors without content, so nothing is computed.

    Args:
        make: builds the network; it is called where tensors have no content.
        height: pixels.
        width: pixels.
    """
    with torch.device("meta"):
        network, image = make().eval(), torch.empty(1, 3, height, width)
        with FlopCounterMode(display=False) as counter:
            network(image)
    flops: int = counter.get_total_flops()
    return flops / 2
