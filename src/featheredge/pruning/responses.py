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


def measure(
    network: nn.Module,
    original: nn.Module,
    layers: Sequence[str],
    inputs: Iterable[Tensor],
    *,
    points: int = 10,
    seed: int = 0,
) -> dict[str, NormalEquations]:
    """Sample what convolutions read in one network and answer in another (section 3.1 and 3.2).

    Args:
        network: the network as pruned so far, whose layers read the patches.
        original: the same architecture, whose layers give the answers wanted.
        layers: dotted names of `nn.Conv2d` in both, without groups.
        inputs: what the networks take, (B, C, H, W) each; sizes may differ.
        points: random places per layer and picture.
        seed: of the places.

    Returns:
        The normal equations of every layer, which do not depend on the others measured with it.
        Memory does not grow with the number of pictures.

    Raises:
        ArgumentError: a layer is no plain convolution, or there are no inputs.
    """
    convs = {name: plain_conv(network, name) for name in layers}
    randoms = {name: np.random.default_rng([seed, *name.encode()]) for name in layers}
    sums = {name: _empty(conv) for name, conv in convs.items()}
    places: dict[str, Places] = {}
    patches: dict[str, Tensor] = {}
    answers: dict[str, Tensor] = {}

    def answered(name: str, x: Tensor, y: Tensor) -> None:
        places[name] = _places(y, points, randoms[name])
        answers[name] = y.permute(0, 2, 3, 1)[places[name]]

    def read(name: str, x: Tensor, y: Tensor) -> None:
        patches[name] = _patches(convs[name], x, places[name])

    for image in inputs:
        if network is original:
            _listen(network, image, layers, answered, read)
        else:
            _listen(original, image, layers, answered)
            _listen(network, image, layers, read)
        for name in layers:
            sums[name].add(patches[name], answers[name])
    if not patches:
        raise ArgumentError("layers are refitted on what they answer to pictures; there are none")
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
    *listeners: Callable[[str, Tensor, Tensor], None],
) -> None:
    """Tell listeners each layer's name, what it is given and what it answers to a picture.

    The network runs no further than the last of these layers. Nothing but what the listeners take
    is kept: activations that follow may work in place.
    """
    waiting = set(layers)

    def hook(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        for listener in listeners:
            listener(name, inputs[0], output)
        waiting.discard(name)
        if not waiting:
            raise _AllHeard

    hooks = [network.get_submodule(n).register_forward_hook(partial(hook, n)) for n in layers]
    try:
        with torch.no_grad(), suppress(_AllHeard):
            network(image)
    finally:
        for handle in hooks:
            handle.remove()
