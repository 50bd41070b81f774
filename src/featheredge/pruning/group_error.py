"""Measure how far the outputs of the layers that read a group change without some of its units.

Shapes: B batch, C channels, H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from featheredge.channels.groups import Group
from featheredge.errors import ArgumentError
from featheredge.pruning.criteria import CRITERIA, Units
from featheredge.pruning.normal_equations import Matrix, Outputs, measure, sample_outputs
from featheredge.pruning.refit import Reader, make_reader

#: Weight of the ridge penalty on the change of a refitted kernel, in units of its inputs' mean
#: square.
RIDGE = 1e-3


@dataclass(frozen=True)
class Sampling:
    """The pictures and positions on which layers are measured.

    Attributes:
        inputs: Network inputs, (B, C, H, W) float each; sizes may differ. For networks of the zoo,
            the output of `normalise`.
        points: Number of random positions per layer and picture.
        seed: Seed of the positions, and of units that are chosen at random.
    """

    inputs: Sequence[Tensor]
    points: int = 10
    seed: int = 0

    @property
    def example(self) -> Tensor:
        """(1, C, H, W): the first picture.

        Raises:
            ArgumentError: There are no pictures.
        """
        if not self.inputs:
            raise ArgumentError("layers are measured on pictures and inputs is empty; give some")
        return self.inputs[0][:1]


@dataclass(frozen=True)
class GroupError:
    """The error of the layers that read a group, without some of its units.

    Attributes:
        group: Name of the group.
        kept: Number of units kept.
        size: Number of units before.
        criterion: How the units were chosen, a name in `CRITERIA`.
        refit: Whether the kernels of the readers were refitted.
        error: Squared error over the variance of the original outputs, mean of the readers; 1 is as
            bad as a constant output, the mean.
    """

    group: str
    kept: int
    size: int
    criterion: str
    refit: bool
    error: float


def check_criterion(criterion: str) -> None:
    """Refuse an unknown criterion.

    Raises:
        ArgumentError: It is not in `CRITERIA`.
    """
    if criterion not in CRITERIA:
        raise ArgumentError(f"unknown criterion {criterion!r}; choose one of {', '.join(CRITERIA)}")


def check_count(name: str, count: int, groups: Mapping[str, Group]) -> None:
    """Refuse a count that a group cannot have.

    Raises:
        ArgumentError: The group is unknown, or the count is not from 1 to its size.
    """
    if name not in groups:
        raise ArgumentError(f"unknown group {name!r}; choose from {', '.join(groups)}")
    if not 1 <= count <= groups[name].size:
        raise ArgumentError(
            f"cannot keep {count} units of {name}; give a count from 1 to {groups[name].size}"
        )


def sample_readers(
    network: nn.Module, groups: Sequence[Group], sampling: Sampling
) -> list[Outputs]:
    """Sample the outputs of the layers that read these groups.

    Raises:
        ArgumentError: No layer reads a group, or a layer that reads it is not a plain convolution.
    """
    for group in groups:
        if not group.readers():
            raise ArgumentError(
                f"no convolution reads {group.name}, so its units cannot be ranked; keep all of "
                "them"
            )
    return sample_outputs(
        network, _layers(groups), sampling.inputs, points=sampling.points, seed=sampling.seed
    )


def make_readers(
    network: nn.Module, groups: Sequence[Group], sampling: Sampling, outputs: Sequence[Outputs]
) -> dict[str, dict[str, Reader]]:
    """Return group -> layer -> reader, with the outputs that each layer should have."""
    equations = measure(network, _layers(groups), sampling.inputs, outputs)
    return {
        group.name: {
            layer: make_reader(network, layer, group, equations[layer]) for layer in group.readers()
        }
        for group in groups
    }


def _layers(groups: Sequence[Group]) -> list[str]:
    """Return the layers that read any of these groups, each once."""
    return list(dict.fromkeys(layer for group in groups for layer in group.readers()))


def reader_kernels(
    readers: Mapping[str, Reader], units: Units, ridge: float | None
) -> dict[str, Matrix]:
    """Return the readers' kernels for these units alone, refitted unless `ridge` is None."""
    return {
        layer: reader.without(units) if ridge is None else reader.refitted(units, ridge)
        for layer, reader in readers.items()
    }


def mean_error(readers: Mapping[str, Reader], kernels: Mapping[str, Matrix]) -> float:
    """Return the mean error of the readers with these kernels."""
    return float(np.mean([readers[layer].equations.error(kernels[layer]) for layer in readers]))
