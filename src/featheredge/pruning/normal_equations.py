"""What convolutions read and answer on real pictures, as normal equations that fit in memory.

A convolution is a linear map of patches, so all that a least-squares fit needs of any number of
pictures is the matrix of the patches' products with each other and with the answers.

Shapes: B batch, C channels, H W pixels, O outputs, k kernel size, N sampled points, P = C k k
entries of a patch, in the order of a flattened kernel.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from featheredge.errors import ArgumentError

Matrix: TypeAlias = NDArray[np.float64]
#: Indices of pictures, rows and columns, (N,) each.
Places: TypeAlias = tuple[Tensor, ...]
#: Layer -> places and (N, O) values, of one batch of pictures.
Answers: TypeAlias = dict[str, tuple[Places, Tensor]]

#: Share of the answers' energy below which their variance is rounding.
_ROUNDING = 1e-12


@dataclass
class NormalEquations:
    """Sums over sampled points of one convolution's patches and wanted answers.

    Attributes:
        gram: (P + 1, P + 1), products of the patches' entries; the last entry is a constant 1,
            which the bias multiplies.
        cross: (P + 1, O), products of the entries with the answers.
        energy: sum of the squared answers.
    """

    gram: Matrix
    cross: Matrix
    energy: float = 0.0

    def add(self, patches: Tensor, answers: Tensor) -> None:
        """Count more points: (N, P) patches and (N, O) answers."""
        x = F.pad(patches, (0, 1), value=1.0).double().cpu().numpy()
        y = answers.double().cpu().numpy()
        self.gram += x.T @ x
        self.cross += x.T @ y
        self.energy += float(np.square(y).sum())

    def error(self, kernel: Matrix) -> float:
        """How badly a kernel, (O, P + 1), answers.

        Returns:
            Squared error over the answers' variance, 0 or more; 1 is as bad as their mean. Of
            answers that never vary, the mean squared error instead.
        """
        count = self.gram[-1, -1]
        squared = np.sum(kernel @ self.gram * kernel) - 2 * np.sum(kernel * self.cross.T)
        variance = self.energy - float(np.square(self.cross[-1]).sum()) / count
        varies = variance > _ROUNDING * self.energy
        return float(max(0.0, squared + self.energy) / (variance if varies else count))


def sample_answers(
    network: nn.Module,
    layers: Sequence[str],
    inputs: Iterable[Tensor],
    *,
    points: int = 10,
    seed: int = 0,
) -> list[Answers]:
    """Sample what convolutions answer, at random places (section 3.1).

    Args:
        network: whose answers are wanted.
        layers: dotted names of `nn.Conv2d` without groups.
        inputs: what the network takes, (B, C, H, W) each; sizes may differ.
        points: random places per layer and picture.
        seed: of the places.

    Returns:
        The answers to each of the inputs, which do not depend on the other layers sampled with
        them. For each picture and layer they take 4 bytes times points times outputs.

    Raises:
        ArgumentError: a layer is no plain convolution.
    """
    for name in layers:
        plain_conv(network, name)
    randoms = {name: np.random.default_rng([seed, *name.encode()]) for name in layers}
    sampled: list[Answers] = []

    def note(name: str, x: Tensor, y: Tensor) -> None:
        places = _places(y, points, randoms[name])
        sampled[-1][name] = places, y.permute(0, 2, 3, 1)[places]

    for image in inputs:
        sampled.append({})
        _listen(network, image, layers, note)
    return sampled


def measure(
    network: nn.Module,
    layers: Sequence[str],
    inputs: Iterable[Tensor],
    answers: Iterable[Answers],
) -> dict[str, NormalEquations]:
    """Set what convolutions read beside the answers wanted of them (section 3.2).

    Args:
        network: whose layers read: the one that answered, or the same architecture, pruned.
        layers: dotted names, of those that were sampled.
        inputs: what was answered to.
        answers: as `sample_answers` returns them.

    Returns:
        The normal equations of every layer. Memory does not grow with the number of pictures.
    """
    convs = {name: plain_conv(network, name) for name in layers}
    sums = {name: _empty(conv) for name, conv in convs.items()}

    def count(wanted: Answers, name: str, x: Tensor, y: Tensor) -> None:
        places, values = wanted[name]
        sums[name].add(_patches(convs[name], x, places), values)

    for image, wanted in zip(inputs, answers, strict=True):
        _listen(network, image, layers, partial(count, wanted))
    return sums


def plain_conv(network: nn.Module, name: str) -> nn.Conv2d:
    """The layer, if its answer is one matrix times each patch.

    Raises:
        ArgumentError: it is not.
    """
    layer = network.get_submodule(name)
    if (
        not isinstance(layer, nn.Conv2d)
        or layer.groups > 1
        or layer.padding_mode != "zeros"
        or isinstance(layer.padding, str)
    ):
        raise ArgumentError(
            f"{name} is {layer}; channels are chosen for convolutions without groups, padded with "
            "zeros by a number of pixels"
        )
    return layer


def _empty(conv: nn.Conv2d) -> NormalEquations:
    entries = conv.weight[0].numel() + 1
    return NormalEquations(np.zeros((entries, entries)), np.zeros((entries, conv.out_channels)))


def sums_bytes(conv: nn.Conv2d) -> int:
    """What the normal equations of a convolution take in memory."""
    entries = conv.weight[0].numel() + 1
    return 8 * entries * (entries + conv.out_channels)


def _places(answers: Tensor, points: int, random: np.random.Generator) -> Places:
    """`points` random cells of every picture."""
    batch, _, height, width = answers.shape
    rows, columns = (
        random.integers(height, size=batch * points),
        random.integers(width, size=batch * points),
    )
    pictures = np.repeat(np.arange(batch), points)
    return tuple(torch.from_numpy(axis).to(answers.device) for axis in (pictures, rows, columns))


def _patches(conv: nn.Conv2d, x: Tensor, places: Places) -> Tensor:
    """(N, P): what the convolution reads for its answers at `places`."""
    down, right = int(conv.padding[0]), int(conv.padding[1])
    padded = F.pad(x, (right, right, down, down))
    pictures, rows, columns = places
    indices = []
    for start, axis in ((rows, 0), (columns, 1)):
        taps = torch.arange(conv.kernel_size[axis], device=x.device) * conv.dilation[axis]
        indices.append(start[:, None] * conv.stride[axis] + taps)
    y, x_ = indices
    patches = padded[pictures[:, None, None], :, y[:, :, None], x_[:, None, :]]  # (N, k, k, C)
    return patches.permute(0, 3, 1, 2).flatten(1)


class _AllHeard(Exception):
    """Every layer has answered: the rest of the network need not run."""


def _listen(
    network: nn.Module,
    image: Tensor,
    layers: Sequence[str],
    listener: Callable[[str, Tensor, Tensor], None],
) -> None:
    """Tell a listener each layer's name, what it is given and what it answers to a picture.

    A layer that is used twice is heard once, and the network runs no further than the last layer.
    Nothing but what the listener takes is kept: activations that follow may work in place.
    """
    waiting = set(layers)

    def hook(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if name in waiting:
            listener(name, inputs[0], output)
            waiting.remove(name)
        if not waiting:
            raise _AllHeard

    hooks = [network.get_submodule(n).register_forward_hook(partial(hook, n)) for n in layers]
    try:
        with torch.no_grad(), suppress(_AllHeard):
            network(image)
    finally:
        for handle in hooks:
            handle.remove()
