"""Find the layers of a network by the beginnings of their dotted names, as in recipes."""

from collections.abc import Iterable, Sequence

from torch import nn

from featheredge.errors import RecipeError


def begins(name: str, beginning: str) -> bool:
    """Return whether a dotted name is `beginning` or below it; "stages.10" is not below "stages.1".

    >>> begins("stages.1.0.weight", "stages.1"), begins("stages.10.weight", "stages.1")
    (True, False)
    """
    return f"{name}.".startswith(f"{beginning}.")


def longest_beginning(name: str, beginnings: Iterable[str]) -> str | None:
    """Return the longest of `beginnings` that `name` is or is below; None if there is none."""
    matching = [beginning for beginning in beginnings if begins(name, beginning)]
    return max(matching, key=len, default=None)


def norms_below(network: nn.Module, layers: Sequence[str]) -> dict[str, nn.BatchNorm2d]:
    """Return the batch norms below some layers: name -> norm, in the network's order.

    Args:
        network: Any module.
        layers: Dotted names of its submodules, such as "stages" or "stages.1.0".

    Raises:
        RecipeError: A layer has no batch norm with a scale below it.
    """
    norms = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and module.affine
    }
    for layer in layers:
        if not any(begins(name, layer) for name in norms):
            parts = ", ".join(name for name, _ in network.named_children())
            raise RecipeError(
                f"{type(network).__name__} has no batch norm below {layer!r}; choose from its "
                f"parts {parts}"
            )
    return {name: norm for name, norm in norms.items() if longest_beginning(name, layers)}
