"""Frozen layers, and batch norms that keep their statistics.

The first layers of a pre-trained encoder change least and work on the largest maps, so training
them costs most time for the least gain. A batch norm with fixed statistics is computed as part of
its convolution (see `featheredge.models.blocks.conv_norm`) and takes no time of its own.
"""

from collections.abc import Mapping, Sequence

from torch import nn

from featheredge.models.layer_names import longest_beginning, norms_below


def freeze(network: nn.Module, rates: Mapping[str, float]) -> None:
    """Compute no gradient for parameters with a rate of 0.

    Args:
        network: Changed in place.
        rates: Rates by the first part of a parameter's dotted name; the longest match counts.
    """
    for name, parameter in network.named_parameters():
        beginning = longest_beginning(name, rates)
        if beginning is not None and rates[beginning] == 0:
            parameter.requires_grad_(False)


def fix_norms(network: nn.Module, layers: Sequence[str]) -> None:
    """Fix the statistics of the batch norms of some layers; scale and shift are still trained.

    Args:
        network: Changed in place: a momentum of 0 marks a norm whose statistics stay.
        layers: Dotted names of its submodules, such as "encoder".

    Raises:
        RecipeError: One of them has no batch norm.
    """
    for norm in norms_below(network, layers).values():
        norm.momentum = 0.0


def set_training(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Put a network in training mode, except batch norms that are frozen or fixed.

    Returns:
        The batch norms that are in training mode.
    """
    network.train()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        frozen = norm.weight is not None and not norm.weight.requires_grad
        norm.train(not frozen and norm.momentum != 0)
    return [norm for norm in norms if norm.training]
