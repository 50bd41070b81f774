"""Choose the units of a group to keep: by LASSO on the layers that read them, or by filters.

Shapes: U units of a group, n weights of the filters that produce a unit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from featheredge.channels.groups import Group
from featheredge.pruning.normal_equations import Matrix
from featheredge.pruning.refit import Reader

Units: TypeAlias = NDArray[np.int64]
#: (network, group, its readers, number of units, random generator) -> chosen units, ascending.
Criterion: TypeAlias = Callable[
    [nn.Module, Group, Sequence[Reader], int, np.random.Generator], Units
]


def by_lasso(
    network: nn.Module,
    group: Group,
    readers: Sequence[Reader],
    count: int,
    random: np.random.Generator,
) -> Units:
    """Keep the units that best reproduce the readers' outputs (arXiv 1707.06168, equation 2).

    Every unit's contribution to the outputs gets a factor. The L1 penalty on the factors rises
    until only `count` of them differ from 0. LARS gives the whole path of penalties at once, from
    the products of the contributions. Layers that read the same units are fitted together.
    """
    from sklearn.linear_model import lars_path_gram  # takes a second to import

    parts = [reader.contributions() for reader in readers]
    products, targets = (np.sum([part[i] for part in parts], 0) for i in (0, 1))
    path = lars_path_gram(
        targets, products, n_samples=1, method="lasso", max_iter=8 * len(targets)
    )[2]
    chosen = (path != 0).sum(0)
    exact = np.flatnonzero(chosen == count)
    factors = path[:, exact[0] if len(exact) else np.argmax(chosen)]
    # A unit that adds nothing to the others may never get a factor: such units come last.
    return _largest(np.where(factors != 0, np.inf, products.diagonal()), count)


def by_magnitude(
    network: nn.Module,
    group: Group,
    readers: Sequence[Reader],
    count: int,
    random: np.random.Generator,
) -> Units:
    """Keep the units with the largest L1 norm of weights (Li et al., ICLR 2017, section 3.1)."""
    return _largest(np.abs(_filters(network, group)).sum(1), count)


def by_geometric_median(
    network: nn.Module,
    group: Group,
    readers: Sequence[Reader],
    count: int,
    random: np.random.Generator,
) -> Units:
    """Keep the units farthest from all others (FPGM, He et al., CVPR 2019, section 3.3).

    The others can replace filters that lie near the geometric median of all filters.
    """
    filters = _filters(network, group)
    squares = np.square(filters).sum(1)
    distances = np.maximum(squares[:, None] + squares - 2 * filters @ filters.T, 0) ** 0.5
    return _largest(distances.sum(1), count)


def by_chance(
    network: nn.Module,
    group: Group,
    readers: Sequence[Reader],
    count: int,
    random: np.random.Generator,
) -> Units:
    """Keep random units."""
    return _largest(random.random(group.size), count)


#: Name -> criterion.
CRITERIA: Mapping[str, Criterion] = {
    "lasso": by_lasso,
    "magnitude": by_magnitude,
    "geometric-median": by_geometric_median,
    "random": by_chance,
}


def _largest(scores: Matrix, count: int) -> Units:
    """Return the `count` units with the largest scores, ascending; of equal scores the first."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def _filters(network: nn.Module, group: Group) -> Matrix:
    """(U, n): all weights that produce each unit, those of depthwise layers included."""
    state = network.state_dict()
    filters = [
        state[tensor].double().cpu().numpy()[indices].reshape(group.size, -1)
        for (tensor, axis), indices in group.axes.items()
        if axis == 0 and state[tensor].ndim > 1
    ]
    return np.concatenate(filters, 1)
