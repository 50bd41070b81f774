"""Which units of a group to keep: by the LASSO on what reads them, or by their filters alone.

Shapes: U units of a group, n weights that make a unit.
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
#: A way to choose: network, group, its readers, how many units, randomness -> units, ascending.
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
    """The units by which what reads them is explained best (arXiv 1707.06168, equation 2).

    Every unit's contribution to the answers gets a factor; the sum of absolute factors is charged
    more and more until only `count` differ from 0. All charges at once (LARS), on the matrix of
    the contributions' products; layers that read the same units are explained together.
    """
    from sklearn.linear_model import lars_path_gram  # takes a second to import

    parts = [reader.contributions() for reader in readers]
    products, aims = (np.sum([part[i] for part in parts], 0) for i in (0, 1))
    path = lars_path_gram(aims, products, n_samples=1, method="lasso", max_iter=8 * len(aims))[2]
    chosen = (path != 0).sum(0)
    exact = np.flatnonzero(chosen == count)
    factors = path[:, exact[0] if len(exact) else np.argmax(chosen)]
    # Units that explain nothing that others do not may never get a factor: they come last.
    return _largest(np.where(factors != 0, np.inf, products.diagonal()), count)


def by_magnitude(
    network: nn.Module,
    group: Group,
    readers: Sequence[Reader],
    count: int,
    random: np.random.Generator,
) -> Units:
    """The largest sums of absolute weights (Li et al., ICLR 2017, section 3.1)."""
    return _largest(np.abs(_filters(network, group)).sum(1), count)


def by_geometric_median(
    network: nn.Module,
    group: Group,
    readers: Sequence[Reader],
    count: int,
    random: np.random.Generator,
) -> Units:
    """The largest sums of distances to all others (FPGM, He et al., CVPR 2019, section 3.3).

    Filters near the geometric median of all are those that the others can stand in for.
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
    """Any units."""
    return _largest(random.random(group.size), count)


#: Ways to choose, by name.
CRITERIA: Mapping[str, Criterion] = {
    "lasso": by_lasso,
    "magnitude": by_magnitude,
    "geometric-median": by_geometric_median,
    "random": by_chance,
}


def _largest(scores: Matrix, count: int) -> Units:
    """The `count` units of the largest scores, ascending; the earlier ones where scores tie."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def _filters(network: nn.Module, group: Group) -> Matrix:
    """(U, n): all weights that make each unit, depthwise ones included."""
    state = network.state_dict()
    filters = [
        state[tensor].double().cpu().numpy()[indices].reshape(group.size, -1)
        for (tensor, axis), indices in group.axes.items()
        if axis == 0 and state[tensor].ndim > 1
    ]
    return np.concatenate(filters, 1)
