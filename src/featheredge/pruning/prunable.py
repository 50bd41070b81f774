"""Which groups of channels may shrink under a budget, and why the others may not."""

from collections.abc import Mapping

from torch import nn

from featheredge.channels.groups import Group
from featheredge.channels.ties import Tie, find_ties
from featheredge.errors import ArgumentError
from featheredge.pruning.budget import Budget
from featheredge.pruning.normal_equations import plain_conv


def prunable_ties(
    network: nn.Module, groups: Mapping[str, Group], budget: Budget
) -> tuple[list[Tie], dict[str, str]]:
    """Sort out what may be pruned.

    Args:
        network: in the form that is deployed.
        groups: all of its groups.
        budget: what may be left, and what is to be kept.

    Returns:
        The ties that may shrink, and group -> why it may not, of all others.

    Raises:
        ArgumentError: `keep` names no group.
    """
    for start in budget.keep:
        if not any(name.startswith(start) for name in groups):
            raise ArgumentError(
                f"keep: no group begins with {start!r}; there are {', '.join(groups)}"
            )
    whole = {name: why for name in groups if (why := _obstacle(network, groups[name], budget))}
    ties = []
    for tie in find_ties(network, groups):
        held = [name for name in tie if name in whole]
        if not held:
            ties.append(tie)
        for name in tie if held else ():
            whole.setdefault(name, f"has to be as wide as {held[0]}")
    free = {name for tie in ties for name in tie}
    reason = f"{type(network).__name__} has a constant width there"
    return ties, {name: whole.get(name, reason) for name in groups if name not in free}


def _obstacle(network: nn.Module, group: Group, budget: Budget) -> str:
    """Why a group cannot be pruned, by itself; empty if it can."""
    if group.name.startswith(budget.keep):
        return "was to be kept"
    if len(budget.counts(group.size)) == 1:
        return f"has only {group.size} units"
    if not group.readers():
        return "is read by no plain convolution"
    try:
        for layer in group.readers():
            plain_conv(network, layer)
    except ArgumentError as cause:
        return str(cause)
    return ""
