"""A layer that reads a group of channels: what each of them contributes, and fits without some.

Shapes: U units of the group, m entries of a patch per unit, O outputs, P entries of a patch; a
kernel is (O, P + 1), flattened, with the bias last.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from torch import Tensor, nn

from featheredge.channels.groups import Group
from featheredge.pruning.normal_equations import Matrix, NormalEquations


@dataclass(frozen=True)
class Reader:
    """One convolution that reads a group.

    Attributes:
        kernel: (O, P + 1), as it is before the group is pruned.
        has_bias: whether the last column may be anything but 0.
        sums: of what it reads and what it should answer.
        entries: (U, m), which columns of the kernel belong to each unit.
    """

    kernel: Matrix
    has_bias: bool
    sums: NormalEquations
    entries: NDArray[np.int64]

    def contributions(self) -> tuple[Matrix, Matrix]:
        """How the units' contributions to the answers multiply with one another.

        Returns:
            (U, U) products of the contributions, and (U,) their products with what the answers
            are without the layer's other inputs, both over the answers' energy. Around the means
            where the layer has a bias, which takes these up.
        """
        own = self.entries.reshape(-1)
        others = self.kernel.copy()
        others[:, own] = 0
        wanted = self.sums.cross - self.sums.gram @ others.T
        sums, count = self.sums.gram[-1], self.sums.gram[-1, -1]
        if self.has_bias:
            wanted = wanted - np.outer(sums, wanted[-1]) / count
        products, aims = np.empty((len(self.entries),) * 2), np.empty(len(self.entries))
        for unit, rows in enumerate(self.entries):  # one at a time: P x P only once in memory
            gram = self.sums.gram[np.ix_(rows, own)]
            if self.has_bias:
                gram = gram - np.outer(sums[rows], sums[own]) / count
            overlap = gram * (self.kernel[:, rows].T @ self.kernel[:, own])
            products[unit] = overlap.reshape(len(rows), *self.entries.shape).sum((0, 2))
            aims[unit] = np.sum(self.kernel[:, rows] * wanted[rows].T)
        energy = self.sums.energy or 1.0  # a layer that only ever answers 0
        return products / energy, aims / energy

    def without(self, keep: NDArray[np.int64]) -> Matrix:
        """The kernel with the columns of all other units at 0."""
        kernel = self.kernel.copy()
        kernel[:, np.delete(self.entries, keep, 0).reshape(-1)] = 0
        return kernel

    def refitted(self, keep: NDArray[np.int64], ridge: float) -> Matrix:
        """The kernel without the other units that answers best (arXiv 1707.06168, section 3.1).

        Args:
            keep: units.
            ridge: what pulls the kernel to what it was, in units of a patch entry's mean square.

        Returns:
            (O, P + 1); columns that were 0 already, cut before, stay so.
        """
        kernel = self.without(keep)
        free = np.append((kernel[:, :-1] != 0).any(0), self.has_bias)
        gram = self.sums.gram[np.ix_(free, free)]
        missing = self.sums.cross[free] - gram @ kernel[:, free].T
        pull = ridge * np.trace(gram) / len(gram)
        kernel[:, free] += solve(gram + pull * np.eye(len(gram)), missing, assume_a="pos").T
        return kernel


def make_reader(network: nn.Module, name: str, group: Group, sums: NormalEquations) -> Reader:
    """The reader called `name` of a group of `network`, with what was measured of it."""
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    flat = _numpy(conv.weight).reshape(conv.out_channels, -1)
    bias = np.zeros(len(flat)) if conv.bias is None else _numpy(conv.bias)
    size = conv.weight[0, 0].numel()
    channels = group.axes[f"{name}.weight", 1]
    entries = (channels[..., None] * size + np.arange(size)).reshape(group.size, -1)
    return Reader(np.column_stack([flat, bias]), conv.bias is not None, sums, entries)


def _numpy(tensor: Tensor) -> Matrix:
    array: Matrix = tensor.detach().double().cpu().numpy()
    return array
