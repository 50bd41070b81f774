"""What a network costs: parameters, multiply-adds, and what each of its channels adds to these.

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


def channel_multiply_adds(network: Network, size_px: int) -> dict[str, float]:
    """Multiply-adds per channel of the convolutions whose sum each batch norm normalises.

    Every path to a scale counts at the size that it convolves at, so a channel that is also made
    from coarser maps costs what these convolutions cost at their own resolution.

    Args:
        network: it is rebuilt from its configuration without content; nothing is computed.
        size_px: height and width of the picture.

    Returns:
        By the norms' names. Where a norm takes several maps side by side, the mean over these.
    """
    made: dict[Node, float] = {}
    costs: dict[nn.Module, float] = {}

    def note_conv(conv: nn.Module, inputs: Any, output: Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        assert output.grad_fn is not None
        made[output.grad_fn] = float(output[0].numel() * conv.weight[0].numel())

    def note_norm(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        costs[norm] = _made_before(inputs[0].grad_fn, made) / inputs[0].shape[1]

    with torch.device("meta"):
        twin, image = type(network)(network.config).eval(), torch.empty(1, 3, size_px, size_px)
    for module in twin.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note_conv)
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(note_norm)
    twin(image)
    return {name: costs[module] for name, module in twin.named_modules() if module in costs}


def _made_before(node: Node | None, made: dict[Node, float]) -> float:
    """Multiply-adds of the convolutions nearest before a point of the graph of operations."""
    if node is None:
        return 0.0
    if node in made:
        return made[node]
    return sum(_made_before(before, made) for before, _ in node.next_functions)
