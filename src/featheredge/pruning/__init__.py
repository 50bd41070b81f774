"""Channel pruning: choose channels, cut them out, refit what reads them.

    groups = find_groups(network)
    plan = make_plan(network, Budget(macs=0.5), Sampling(inputs))
    smaller, errors = prune(network, plan.counts, Sampling(inputs))

The submodule `featheredge.pruning.prune` has more than the function of that name: import from it
with `from featheredge.pruning.prune import ...`.
"""

from featheredge.channels.cut import cut
from featheredge.channels.groups import find_groups
from featheredge.pruning.budget import Budget
from featheredge.pruning.plan import make_plan
from featheredge.pruning.prune import Sampling, prune

__all__ = ["Budget", "Sampling", "cut", "find_groups", "make_plan", "prune"]
