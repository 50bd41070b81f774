"""Decide which groups of channels may shrink, and say why the others may not."""

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
    """Separate the groups that may be pruned from those that may not.

    Args:
        network: The network in the form that is deployed.
        groups: All of its groups.
        budget: The counts that groups may have, and the groups to keep whole.

    Returns:
        The ties that may shrink, and group -> the reason why it may not shrink, for all others.

    Raises:
        ArgumentError: An entry of `budget.keep` matches no group.
    """
    for start in budget.keep:
        if not any(name.startswith(start) for name in groups):
            raise ArgumentError(
                f"budget.keep: no group begins with {start!r}; choose from {', '.join(groups)}"
            )
    reasons = {name: why for name in groups if (why := _obstacle(network, groups[name], budget))}
    ties = []
    for tie in find_ties(network, groups):
        blocked = [name for name in tie if name in reasons]
        if not blocked:
            ties.append(tie)
        for name in tie if blocked else ():
            reasons.setdefault(name, f"must be as wide as {blocked[0]}")
    free = {name for tie in ties for name in tie}
    default = f"has a constant width in {type(network).__name__}"
    return ties, {name: reasons.get(name, default) for name in groups if name not in free}


def _obstacle(network: nn.Module, group: Group, budget: Budget) -> str:
    """Return why a group cannot be pruned, apart from its ties; empty if it can."""
    if group.name.startswith(budget.keep):
        return "is listed in budget.keep"
    if len(budget.counts(group.size)) == 1:
        return f"has {group.size} units, too few for another count"
    if not group.readers():
        return "is not read by any plain convolution"
    try:
        for layer in group.readers():
            plain_conv(network, layer)
    except ArgumentError as cause:
        return str(cause)
    return ""
