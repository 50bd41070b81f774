"""Layers that training leaves as they are, and batch norms that keep their statistics.

The first layers of an encoder come from a million pictures and work on the largest maps: they have
least to learn, and cost most. A batch norm with fixed statistics is part of its convolution (see
`featheredge.models.blocks.conv_norm`), so it costs nothing.
"""

from collections.abc import Mapping, Sequence

from torch import nn

from featheredge.models.layer_names import longest_beginning, norms_below


def freeze(network: nn.Module, rates: Mapping[str, float]) -> None:
    """Take the gradient from every parameter whose rate is 0.

    Args:
        network: Changed in place.
        rates: By the beginnings of parameters' dotted names; the longest that fits counts.
    """
    for name, parameter in network.named_parameters():
        beginning = longest_beginning(name, rates)
        if beginning is not None and rates[beginning] == 0:
            parameter.requires_grad_(False)


def fix_norms(network: nn.Module, layers: Sequence[str]) -> None:
    """Let the batch norms of some layers keep their statistics; they still learn scale and shift.

    Args:
        network: Changed in place: a momentum of 0 marks a norm whose statistics stay.
        layers: Dotted names of its submodules, such as "encoder".

    Raises:
        RecipeError: There is no batch norm below one of them.
    """
    for norm in norms_below(network, layers).values():
        norm.momentum = 0.0


def set_training(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Put a network in training mode, except batch norms that are frozen or fixed.

    Returns:
        The other batch norms.
    """
    network.train()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        frozen = norm.weight is not None and not norm.weight.requires_grad
        norm.train(not frozen and norm.momentum != 0)
    return [norm for norm in norms if norm.training]
