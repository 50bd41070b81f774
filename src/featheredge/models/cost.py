"""Count the parameters and multiply-adds of a network, in total and per channel.

Shapes: C channels, h w cells of a map.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils.flop_counter import FlopCounterMode

from featheredge.models.network import Network


def num_params(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(make: Callable[[], nn.Module], height: int, width: int) -> float:
    """Count the multiply-adds of convolutions and matrix products for one picture.

    PyTorch counts them on the meta device, so nothing is computed.

    Args:
        make: Builds the network; called on the meta device.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.
    """
    with torch.device("meta"):
        network, image = make().eval(), torch.empty(1, 3, height, width)
        with FlopCounterMode(display=False) as counter:
            network(image)
    flops: int = counter.get_total_flops()
    return flops / 2


def channel_multiply_adds(network: Network, size_px: int) -> dict[str, float]:
    """Count the multiply-adds per channel of the convolutions that each batch norm follows.

    Every path to a scale is counted at the size of its own convolution. So a channel that is also
    computed from coarser maps costs what these convolutions cost at their resolution.

    Args:
        network: It is rebuilt from its configuration on the meta device; nothing is computed.
        size_px: Height and width of the picture in pixels.

    Returns:
        Name of the norm -> multiply-adds per channel. If a norm takes several concatenated maps,
        the mean over all their channels.
    """
    counted: dict[Node, float] = {}
    costs: dict[nn.Module, float] = {}

    def record_conv(conv: nn.Module, inputs: Any, output: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        assert output.grad_fn is not None
        counted[output.grad_fn] = float(output[0].numel() * conv.weight[0].numel())

    def record_norm(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        costs[norm] = _multiply_adds_before(inputs[0].grad_fn, counted) / inputs[0].shape[1]

    with torch.device("meta"):
        copy, image = type(network)(network.config).eval(), torch.empty(1, 3, size_px, size_px)
    for module in copy.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(record_conv)
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(record_norm)
    copy(image)
    return {name: costs[module] for name, module in copy.named_modules() if module in costs}


def _multiply_adds_before(node: Node | None, counted: dict[Node, float]) -> float:
    """Return the multiply-adds of the nearest convolutions before a node of the autograd graph."""
    if node is None:
        return 0.0
    if node in counted:
        return counted[node]
    return sum(_multiply_adds_before(before, counted) for before, _ in node.next_functions)
