"""Refit a layer that reads a group of channels, after some of them are removed.

Shapes: U units of the group, m entries of a patch per unit, O outputs, P entries of a patch. A
kernel is (O, P + 1): flattened, with the bias last.
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
        kernel: (O, P + 1) float64, before the group is pruned.
        has_bias: Whether the layer has a bias; without one the last column stays 0.
        equations: The normal equations of its inputs and of the outputs that it should have.
        entries: (U, m) int64, the columns of the kernel that belong to each unit.
    """

    kernel: Matrix
    has_bias: bool
    equations: NormalEquations
    entries: NDArray[np.int64]

    def contributions(self) -> tuple[Matrix, Matrix]:
        """Return the products of the units' contributions to the outputs.

        Returns:
            (U, U) products of the contributions with each other, and (U,) their products with the
            outputs minus what the layer's other inputs contribute. Both are divided by the energy
            of the outputs. If the layer has a bias, means are subtracted, as the bias absorbs them.
        """
        columns = self.entries.reshape(-1)
        others = self.kernel.copy()
        others[:, columns] = 0
        wanted = self.equations.cross - self.equations.gram @ others.T
        sums, count = self.equations.gram[-1], self.equations.gram[-1, -1]
        if self.has_bias:
            wanted = wanted - np.outer(sums, wanted[-1]) / count
        products, targets = np.empty((len(self.entries),) * 2), np.empty(len(self.entries))
        for unit, rows in enumerate(self.entries):  # one by one, to hold P x P only once in memory
            gram = self.equations.gram[np.ix_(rows, columns)]
            if self.has_bias:
                gram = gram - np.outer(sums[rows], sums[columns]) / count
            overlap = gram * (self.kernel[:, rows].T @ self.kernel[:, columns])
            products[unit] = overlap.reshape(len(rows), *self.entries.shape).sum((0, 2))
            targets[unit] = np.sum(self.kernel[:, rows] * wanted[rows].T)
        energy = self.equations.energy or 1.0  # 0 if the layer's output is always 0
        return products / energy, targets / energy

    def without(self, keep: NDArray[np.int64]) -> Matrix:
        """Return the kernel with the columns of all units but `keep` set to 0."""
        kernel = self.kernel.copy()
        kernel[:, np.delete(self.entries, keep, 0).reshape(-1)] = 0
        return kernel

    def refitted(self, keep: NDArray[np.int64], ridge: float) -> Matrix:
        """Return the least-squares kernel without the other units (arXiv 1707.06168, section 3.1).

        Args:
            keep: Units.
            ridge: Weight of the penalty on the kernel's change, in units of a patch entry's mean
                square.

        Returns:
            (O, P + 1); columns that were 0 because of earlier cuts stay 0.
        """
        kernel = self.without(keep)
        free = np.append((kernel[:, :-1] != 0).any(0), self.has_bias)
        gram = self.equations.gram[np.ix_(free, free)]
        residual = self.equations.cross[free] - gram @ kernel[:, free].T
        penalty = ridge * np.trace(gram) / len(gram)
        kernel[:, free] += solve(gram + penalty * np.eye(len(gram)), residual, assume_a="pos").T
        return kernel


def make_reader(network: nn.Module, name: str, group: Group, equations: NormalEquations) -> Reader:
    """Make the reader called `name` of a group of `network`, with its normal equations."""
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    flat = _numpy(conv.weight).reshape(conv.out_channels, -1)
    bias = np.zeros(len(flat)) if conv.bias is None else _numpy(conv.bias)
    size = conv.weight[0, 0].numel()
    channels = group.axes[f"{name}.weight", 1]
    entries = (channels[..., None] * size + np.arange(size)).reshape(group.size, -1)
    return Reader(np.column_stack([flat, bias]), conv.bias is not None, equations, entries)


def _numpy(tensor: Tensor) -> Matrix:
    array: Matrix = tensor.detach().double().cpu().numpy()
    return array
