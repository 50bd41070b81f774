"""Define octave convolutions, which exchange information between maps at several scales.

Scale i has 1 / 2^i of the cells of scale 0 along each axis, rounded up. A layer takes and returns a
list of maps, fine to coarse, one for each scale that has channels. A width of 0 leaves a scale out.

Shapes: B batch, C_i h_i w_i channels and cells of scale i, k kernel size.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt
from torch import Tensor, nn

from featheredge.errors import ArgumentError
from featheredge.models.resample import Down, Up, crop_like, enlarge, shrink

#: Channels of every scale, fine to coarse.
Scales: TypeAlias = tuple[NonNegativeInt, ...]


class GeneralOctConv(nn.Module):
    """Generalised octave convolution (Gao et al., ECCV 2020, section 3.1), without bias.

    Every output scale is the sum of convolutions of all input scales. Finer inputs are pooled
    before the convolution, and coarser ones are enlarged after it. Inputs may come from several
    stages of a network, and inputs and outputs may have different scales.

    The inputs that are not coarser than an output are pooled and concatenated, so one convolution
    serves them all: `paths` holds it as "TtoT", and the convolutions of coarser inputs as "StoT",
    for source scale S and target scale T.

    Args:
        in_widths: Channels of every input scale.
        out_widths: Channels of every output scale.
        kernel: Odd kernel size; borders are padded by half of it.
        stride: With 2, every input is averaged over 2x2 cells first.
        down: How an input is resized to a coarser scale.
        up: How a convolved input is resized to a finer scale.

    Raises:
        ArgumentError: No input or no output has channels, or the kernel is even.
    """

    def __init__(
        self,
        in_widths: Sequence[int],
        out_widths: Sequence[int],
        kernel: int = 1,
        *,
        stride: Literal[1, 2] = 1,
        down: Down = "max",
        up: Up = "bilinear",
    ) -> None:
        super().__init__()
        if not any(in_widths) or not any(out_widths) or kernel % 2 == 0:
            raise ArgumentError(
                "an octave convolution needs an odd kernel, and an input and an output scale with "
                f"channels; got widths {tuple(in_widths)} -> {tuple(out_widths)}, kernel {kernel}"
            )
        self.in_widths, self.out_widths = tuple(in_widths), tuple(out_widths)
        self.stride, self.down, self.up = stride, down, up
        self.paths = nn.ModuleDict()
        for target, width in present(out_widths):
            for source, columns in self._sources(target):
                conv = nn.Conv2d(
                    columns.stop - columns.start, width, kernel, padding=kernel // 2, bias=False
                )
                # The paths are summed, so they are initialised like one convolution.
                bound = (sum(in_widths) * kernel * kernel) ** -0.5
                nn.init.uniform_(conv.weight, -bound, bound)
                self.paths[f"{source}to{target}"] = conv

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """One (B, in_widths[i], h_i, w_i) map per input scale -> one per output scale."""
        scales = [scale for scale, _ in present(self.in_widths)]
        inputs = dict(zip(scales, maps, strict=True))
        if self.stride == 2:
            inputs = {scale: shrink(x, 2, "average") for scale, x in inputs.items()}
        return [self._output(target, inputs) for target, _ in present(self.out_widths)]

    def split(self, weight: Tensor) -> dict[str, Tensor]:
        """Split one kernel for all scales into the kernels of `paths`.

        Args:
            weight: (sum of out_widths, sum of in_widths, k, k), scales fine to coarse: the form of
                the layer in the paper.

        Returns:
            Name in this module's state -> tensor.
        """
        kernels = {}
        for target, width in present(self.out_widths):
            start = sum(self.out_widths[:target])
            for source, columns in self._sources(target):
                rows = weight[start : start + width]
                kernels[f"paths.{source}to{target}.weight"] = rows[:, columns].clone()
        return kernels

    def _sources(self, target: int) -> list[tuple[int, slice]]:
        """Return the paths to a scale: the source, and the range of input channels it takes."""
        joined = sum(self.in_widths[: target + 1])
        sources = [(target, slice(0, joined))] if joined else []
        for source, width in present(self.in_widths):
            if source > target:
                start = sum(self.in_widths[:source])
                sources.append((source, slice(start, start + width)))
        return sources

    def _output(self, target: int, inputs: dict[int, Tensor]) -> Tensor:
        """Sum the paths to one scale; the finest path sets the number of cells."""
        pooled = [shrink(x, 2 ** (target - s), self.down) for s, x in inputs.items() if s <= target]
        coarser = {scale: x for scale, x in inputs.items() if scale > target}
        terms = []
        if pooled:
            joined = torch.cat(pooled, 1) if len(pooled) > 1 else pooled[0]
            terms.append(self.paths[f"{target}to{target}"](joined))
        for source, x in coarser.items():
            convolved = self.paths[f"{source}to{target}"](x)
            terms.append(enlarge(convolved, 2 ** (source - target), self.up))
        total: Tensor = terms[0]
        for term in terms[1:]:
            total = total + crop_like(term, total)
        return total


def present(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Return (scale, width) of the scales that have channels."""
    return [(scale, width) for scale, width in enumerate(widths) if width]


class PerScale(nn.ModuleList):
    """One layer for every scale; no information is exchanged between scales."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Apply each layer to its map."""
        return [layer(x) for layer, x in zip(self, maps, strict=True)]


def octave_widths(channels: int, alpha: float) -> tuple[int, int]:
    """Split channels into those at full and at half resolution; `alpha` is the share of the latter.

    Raises:
        ArgumentError: `alpha` is not in [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ArgumentError(f"alpha is {alpha}; give a share of channels from 0 to 1")
    low = int(alpha * channels)
    return channels - low, low


class OctConv(GeneralOctConv):
    """Octave convolution (Chen et al., ICCV 2019, section 3.3), without bias.

    A `GeneralOctConv` of maps at full and at half resolution, with average pooling down and
    nearest-neighbour interpolation up.

    Args:
        in_channels: Input channels of both resolutions together.
        out_channels: Output channels of both resolutions together.
        kernel: Odd kernel size.
        alpha_in: Share of the input channels at half resolution; 0 for a network's first layer.
        alpha_out: Share of the output channels at half resolution; 0 for its last layer.
        stride: With 2, every input is averaged over 2x2 cells first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        *,
        alpha_in: float = 0.5,
        alpha_out: float = 0.5,
        stride: Literal[1, 2] = 1,
    ) -> None:
        widths = octave_widths(in_channels, alpha_in), octave_widths(out_channels, alpha_out)
        super().__init__(*widths, kernel, stride=stride, down="average", up="nearest")


class OctBottleneck(nn.Module):
    """ResNet's bottleneck block with octave convolutions.

    It has a 1x1, a 3x3 (with the stride) and a 1x1 convolution, each with batch norm, then ReLU.
    The shortcut is a projection if channels, their shares or the size change. It has as many
    parameters as the ResNet block that it replaces.

    Args:
        in_channels: Input channels of both resolutions together.
        hidden: Channels between the 1x1 convolutions, of both resolutions together.
        out_channels: Output channels of both resolutions together.
        alpha_in: Share of the input channels at half resolution; 0 for the first block, whose input
            is a list of one map.
        alpha_out: Share of the other channels at half resolution; with 0 the output is a list of
            one map.
        stride: 1, or 2 to halve the maps.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        *,
        alpha_in: float = 0.5,
        alpha_out: float = 0.5,
        stride: Literal[1, 2] = 1,
    ) -> None:
        super().__init__()
        inner, outer = octave_widths(hidden, alpha_out), octave_widths(out_channels, alpha_out)
        self.residual = nn.Sequential(
            OctConv(in_channels, hidden, alpha_in=alpha_in, alpha_out=alpha_out),
            PerScale(_norm_relu(width) for _, width in present(inner)),
            OctConv(hidden, hidden, 3, alpha_in=alpha_out, alpha_out=alpha_out, stride=stride),
            PerScale(_norm_relu(width) for _, width in present(inner)),
            OctConv(hidden, out_channels, alpha_in=alpha_out, alpha_out=alpha_out),
            PerScale(nn.BatchNorm2d(width) for _, width in present(outer)),
        )
        self.shortcut = None
        if (stride, in_channels, alpha_in) != (1, out_channels, alpha_out):
            self.shortcut = nn.Sequential(
                OctConv(
                    in_channels, out_channels, alpha_in=alpha_in, alpha_out=alpha_out, stride=stride
                ),
                PerScale(nn.BatchNorm2d(width) for _, width in present(outer)),
            )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """One map per input scale -> one per output scale, half as large with stride 2."""
        shortcut = maps if self.shortcut is None else self.shortcut(maps)
        pairs = zip(self.residual(maps), shortcut, strict=True)
        return [F.relu(residual + x) for residual, x in pairs]


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
