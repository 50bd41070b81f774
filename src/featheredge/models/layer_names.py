"""Parts of a network by the beginning of their dotted names, as recipes name them."""

from collections.abc import Iterable, Sequence

from torch import nn

from featheredge.errors import RecipeError


def begins(name: str, beginning: str) -> bool:
    """Whether a dotted name is `beginning` or lies below it: "stages.1" does not begin "stages.10".

    >>> begins("stages.1.0.weight", "stages.1"), begins("stages.10.weight", "stages.1")
    (True, False)
    """
    return f"{name}.".startswith(f"{beginning}.")


def longest_beginning(name: str, beginnings: Iterable[str]) -> str | None:
    """Of the names that `name` lies below, the longest; None if there is none."""
    fitting = [beginning for beginning in beginnings if begins(name, beginning)]
    return max(fitting, key=len, default=None)


def norms_below(network: nn.Module, layers: Sequence[str]) -> dict[str, nn.BatchNorm2d]:
    """The batch norms of some layers, by name, in the network's order.

    Args:
        network: any.
        layers: dotted names of its submodules, such as "stages" or "stages.1.0".

    Raises:
        RecipeError: there is no batch norm with a scale below one of them.
    """
    norms = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and module.affine
    }
    for layer in layers:
        if not any(begins(name, layer) for name in norms):
            there = ", ".join(name for name, _ in network.named_children())
            raise RecipeError(
                f"{type(network).__name__} has no batch norm below {layer!r}; its parts are {there}"
            )
    return {name: norm for name, norm in norms.items() if longest_beginning(name, layers)}
