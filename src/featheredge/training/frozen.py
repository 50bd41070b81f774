"""Layers that training leaves as they are: no gradient, and batch norms that keep their statistics.

An encoder's first layers come from a million pictures and work on the largest maps: what they have
to learn is least, and costs most.
"""

from collections.abc import Mapping

from torch import nn

from featheredge.models.layer_names import longest_beginning


def freeze(network: nn.Module, rates: Mapping[str, float]) -> None:
    """Take the gradient from every parameter whose rate is 0.

    Args:
        network: changed in place.
        rates: by the beginnings of parameters' dotted names; the longest that fits counts.
    """
    for name, parameter in network.named_parameters():
        beginning = longest_beginning(name, rates)
        if beginning is not None and rates[beginning] == 0:
            parameter.requires_grad_(False)


def set_training(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Put a network in training mode, except batch norms whose scale is frozen.

    Returns:
        The other batch norms.
    """
    network.train()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train(norm.weight is None or norm.weight.requires_grad)
    return [norm for norm in norms if norm.training]
