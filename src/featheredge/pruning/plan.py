"""How many channels to keep in every group, so that a budget is met at the least error."""

from dataclasses import dataclass

from torch import nn

from featheredge.pruning.budget import Budget
from featheredge.pruning.lasso import Sampling

__all__ = ["Budget", "Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """How many units each group keeps, and what is expected of that.

    Attributes:
        counts: group -> units to keep, of the groups that shrink, as
            `featheredge.pruning.lasso.prune` takes it.
        macs: multiply-adds of the convolutions, before and after.
        latency_ms: milliseconds of the convolutions, before and after, where the budget is in
            time; else None.
        errors: group -> error expected where it alone shrinks so far, see
            `featheredge.pruning.lasso.GroupError`.
        whole: group -> why it cannot shrink or was not to.
    """

    counts: dict[str, int]
    macs: tuple[float, float]
    latency_ms: tuple[float, float] | None
    errors: dict[str, float]
    whole: dict[str, str]


def make_plan(
    network: nn.Module, budget: Budget, sampling: Sampling, *, criterion: str = "lasso"
) -> Plan:
    """Decide how many units each group keeps."""
    raise NotImplementedError
