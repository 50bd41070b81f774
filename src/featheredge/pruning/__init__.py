"""Choose channels, cut them out, and refit the layers that read them.

    groups = find_groups(network)
    plan = make_plan(network, Budget(macs=0.5), Sampling(inputs))
    smaller, errors = prune(network, plan.counts, Sampling(inputs))

The name `prune` in this package is the function. To import the module of the same name, write
`from featheredge.pruning.prune import ...`.
"""

from featheredge.channels.cut import cut
from featheredge.channels.groups import find_groups
from featheredge.pruning.budget import Budget
from featheredge.pruning.group_error import Sampling
from featheredge.pruning.plan import make_plan
from featheredge.pruning.prune import prune

__all__ = ["Budget", "Sampling", "cut", "find_groups", "make_plan", "prune"]
