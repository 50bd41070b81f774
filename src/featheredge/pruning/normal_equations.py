"""Collect the inputs and outputs of convolutions as normal equations, which fit in memory.

A convolution is a linear map of patches. So a least-squares fit on any number of pictures needs
only the products of the patches with each other and with the outputs. Sections named here are those
of arXiv 1707.06168.

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
#: Indices of pictures, rows and columns, (N,) int64 each.
Positions: TypeAlias = tuple[Tensor, ...]
#: Layer -> positions and (N, O) values, for one batch of pictures.
Outputs: TypeAlias = dict[str, tuple[Positions, Tensor]]

#: Variance of the outputs, as a share of their energy, below which it is rounding error.
_ROUNDING = 1e-12


@dataclass
class NormalEquations:
    """Sums over sampled points of one convolution's patches and target outputs.

    Attributes:
        gram: (P + 1, P + 1) float64, products of the patches' entries; the last entry is a constant
            1, which the bias multiplies.
        cross: (P + 1, O) float64, products of the entries with the outputs.
        energy: Sum of the squared outputs.
    """

    gram: Matrix
    cross: Matrix
    energy: float = 0.0

    def add(self, patches: Tensor, outputs: Tensor) -> None:
        """Add points: (N, P) patches and (N, O) outputs."""
        x = F.pad(patches, (0, 1), value=1.0).double().cpu().numpy()
        y = outputs.double().cpu().numpy()
        self.gram += x.T @ x
        self.cross += x.T @ y
        self.energy += float(np.square(y).sum())

    def error(self, kernel: Matrix) -> float:
        """Return the error of a kernel, (O, P + 1), on the sampled points.

        Returns:
            Squared error over the variance of the outputs, 0 or more; 1 is as bad as a constant
            output, their mean. If the outputs do not vary, the mean squared error.
        """
        count = self.gram[-1, -1]
        squared = np.sum(kernel @ self.gram * kernel) - 2 * np.sum(kernel * self.cross.T)
        variance = self.energy - float(np.square(self.cross[-1]).sum()) / count
        varies = variance > _ROUNDING * self.energy
        return float(max(0.0, squared + self.energy) / (variance if varies else count))


def sample_outputs(
    network: nn.Module,
    layers: Sequence[str],
    inputs: Iterable[Tensor],
    *,
    points: int = 10,
    seed: int = 0,
) -> list[Outputs]:
    """Sample the outputs of convolutions at random positions (section 3.1).

    Args:
        network: The network to run.
        layers: Dotted names of `nn.Conv2d` layers without groups.
        inputs: Network inputs, (B, C, H, W) float each; sizes may differ.
        points: Number of random positions per layer and picture.
        seed: Seed of the positions.

    Returns:
        The outputs for each of the inputs. They do not depend on which other layers are sampled.
        Each picture and layer takes 4 bytes times `points` times the layer's output channels.

    Raises:
        ArgumentError: A layer is not a plain convolution.
    """
    for name in layers:
        plain_conv(network, name)
    randoms = {name: np.random.default_rng([seed, *name.encode()]) for name in layers}
    sampled: list[Outputs] = []

    def record(name: str, x: Tensor, y: Tensor) -> None:
        positions = _positions(y, points, randoms[name])
        sampled[-1][name] = positions, y.permute(0, 2, 3, 1)[positions]

    for image in inputs:
        sampled.append({})
        _observe(network, image, layers, record)
    return sampled


def measure(
    network: nn.Module,
    layers: Sequence[str],
    inputs: Iterable[Tensor],
    outputs: Iterable[Outputs],
) -> dict[str, NormalEquations]:
    """Combine the inputs of convolutions with the outputs that they should have (section 3.2).

    Args:
        network: The network whose layer inputs are used: the sampled one, or a pruned copy of it.
        layers: Dotted names of layers that were sampled.
        inputs: The network inputs that were sampled.
        outputs: The return value of `sample_outputs` for these inputs.

    Returns:
        The normal equations of every layer. Memory does not grow with the number of pictures.
    """
    convs = {name: plain_conv(network, name) for name in layers}
    equations = {name: _empty(conv) for name, conv in convs.items()}

    def add(targets: Outputs, name: str, x: Tensor, y: Tensor) -> None:
        positions, values = targets[name]
        equations[name].add(_patches(convs[name], x, positions), values)

    for image, targets in zip(inputs, outputs, strict=True):
        _observe(network, image, layers, partial(add, targets))
    return equations


def plain_conv(network: nn.Module, name: str) -> nn.Conv2d:
    """Return a layer whose output is one matrix times each patch.

    Raises:
        ArgumentError: The layer is of another kind.
    """
    layer = network.get_submodule(name)
    if (
        not isinstance(layer, nn.Conv2d)
        or layer.groups > 1
        or layer.padding_mode != "zeros"
        or isinstance(layer.padding, str)
    ):
        raise ArgumentError(
            f"{name} is {layer}; only an nn.Conv2d with groups=1 and zero padding by a number of "
            "pixels can be refitted"
        )
    return layer


def _empty(conv: nn.Conv2d) -> NormalEquations:
    entries = conv.weight[0].numel() + 1
    return NormalEquations(np.zeros((entries, entries)), np.zeros((entries, conv.out_channels)))


def equations_bytes(conv: nn.Conv2d) -> int:
    """Return the memory that the normal equations of a convolution take."""
    entries = conv.weight[0].numel() + 1
    return 8 * entries * (entries + conv.out_channels)


def _positions(outputs: Tensor, points: int, random: np.random.Generator) -> Positions:
    """Draw `points` random cells of every picture."""
    batch, _, height, width = outputs.shape
    rows, columns = (
        random.integers(height, size=batch * points),
        random.integers(width, size=batch * points),
    )
    pictures = np.repeat(np.arange(batch), points)
    return tuple(torch.from_numpy(axis).to(outputs.device) for axis in (pictures, rows, columns))


def _patches(conv: nn.Conv2d, x: Tensor, positions: Positions) -> Tensor:
    """(N, P): the inputs of the convolution for its outputs at `positions`."""
    down, right = int(conv.padding[0]), int(conv.padding[1])
    padded = F.pad(x, (right, right, down, down))
    pictures, rows, columns = positions
    indices = []
    for start, axis in ((rows, 0), (columns, 1)):
        taps = torch.arange(conv.kernel_size[axis], device=x.device) * conv.dilation[axis]
        indices.append(start[:, None] * conv.stride[axis] + taps)
    y, x_ = indices
    patches = padded[pictures[:, None, None], :, y[:, :, None], x_[:, None, :]]  # (N, k, k, C)
    return patches.permute(0, 3, 1, 2).flatten(1)


class _AllSeen(Exception):
    """Stops the forward pass once every layer has run."""


def _observe(
    network: nn.Module,
    image: Tensor,
    layers: Sequence[str],
    observer: Callable[[str, Tensor, Tensor], None],
) -> None:
    """Call `observer` with each layer's name, input and output for a batch of pictures.

    A layer that runs twice is observed the first time, and the network stops after the last layer.
    The tensors are valid during the call only, since later activations may work in place.
    """
    waiting = set(layers)

    def hook(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if name in waiting:
            observer(name, inputs[0], output)
            waiting.remove(name)
        if not waiting:
            raise _AllSeen

    hooks = [network.get_submodule(n).register_forward_hook(partial(hook, n)) for n in layers]
    try:
        with torch.no_grad(), suppress(_AllSeen):
            network(image)
    finally:
        for handle in hooks:
            handle.remove()
