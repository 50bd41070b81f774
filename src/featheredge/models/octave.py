"""Define octave convolutions, which exchange information between maps at several scales.

Scale i has 1 / 2^i of the cells of scale 0 along each axis, rounded up. A layer takes and returns a
list of maps, fine to coarse, one for each scale that has channels. A width of 0 leaves a scale out.

Shapes: B batch, C_i h_i w_i channels and cells of scale i, k kernel size.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias, cast

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt
from torch import Tensor, nn

from featheredge.errors import ArgumentError
from featheredge.models.resample import Down, Up, crop_like, enlarge, shrink

#: Channels of every scale, fine to coarse.
Scales: TypeAlias = tuple[NonNegativeInt, ...]

_NO_STRENGTH = 1e-12  # keeps the balance finite where every input scale has strength 0


class GeneralOctConv(nn.Module):
    """Generalised octave convolution (Gao et al., ECCV 2020, section 3.1).

    Every output scale is the sum of convolutions of all input scales. Finer inputs are pooled
    before the convolution, and coarser ones are enlarged after it. Inputs may come from several
    stages of a network, and inputs and outputs may have different scales.

    The inputs that are not coarser than an output are pooled and concatenated, so one convolution
    serves them all: `paths` holds it as "TtoT", and the convolutions of coarser inputs as "StoT",
    for source scale S and target scale T. With groups, every source has a path of its own, because
    each path is divided into groups.

    Args:
        in_widths: Channels of every input scale.
        out_widths: Channels of every output scale.
        kernel: Odd kernel size; borders are padded so that maps keep their size.
        stride: With 2, every input is averaged over 2x2 cells first.
        dilation: Distance of the kernel's cells.
        groups: Groups of every path; a divisor of all widths.
        bias: Whether every output channel has a bias, which is added to the sum.
        balance: Whether to learn how much each input scale counts. Every output channel is then a
            weighted mean over the input scales: the weights are |w| / sum of |w| over the scales,
            with one learned w for each input scale and output channel, equal at first.
        down: How an input is resized to a coarser scale.
        up: How a convolved input is resized to a finer scale.

    Raises:
        ArgumentError: No input or no output has channels, the kernel is even, or `groups` does not
            divide a width.
    """

    def __init__(
        self,
        in_widths: Sequence[int],
        out_widths: Sequence[int],
        kernel: int = 1,
        *,
        stride: Literal[1, 2] = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        balance: bool = False,
        down: Down = "max",
        up: Up = "bilinear",
    ) -> None:
        super().__init__()
        if not any(in_widths) or not any(out_widths) or kernel % 2 == 0:
            raise ArgumentError(
                "an octave convolution needs an odd kernel, and an input and an output scale with "
                f"channels; got widths {tuple(in_widths)} -> {tuple(out_widths)}, kernel {kernel}"
            )
        if any(width % groups for width in (*in_widths, *out_widths)):
            raise ArgumentError(
                f"groups is {groups}; expected a divisor of all widths, which are "
                f"{tuple(in_widths)} -> {tuple(out_widths)}"
            )
        self.in_widths, self.out_widths = tuple(in_widths), tuple(out_widths)
        self.stride, self.groups, self.down, self.up = stride, groups, down, up
        self.paths, self.bias, self.balance = (
            nn.ModuleDict(),
            nn.ParameterDict(),
            nn.ParameterDict(),
        )
        # The paths are summed, so they are initialised like one convolution.
        bound = (sum(in_widths) // groups * kernel * kernel) ** -0.5
        num_sources = len(present(in_widths))
        for target, width in present(out_widths):
            for name, sources in self._routes(target):
                conv = nn.Conv2d(
                    sum(in_widths[source] for source in sources),
                    width,
                    kernel,
                    padding=kernel // 2 * dilation,
                    dilation=dilation,
                    groups=groups,
                    bias=False,
                )
                nn.init.uniform_(conv.weight, -bound, bound)
                self.paths[name] = conv
            if bias:
                self.bias[str(target)] = nn.Parameter(torch.empty(width).uniform_(-bound, bound))
            if balance:
                self.balance[str(target)] = nn.Parameter(torch.ones(num_sources, width))

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
            weight: (sum of out_widths, sum of in_widths / groups, k, k), scales fine to coarse: the
                form of the layer in the paper.

        Returns:
            Name in this module's state -> tensor.
        """
        starts = [sum(self.in_widths[:i]) // self.groups for i in range(len(self.in_widths) + 1)]
        kernels = {}
        for target, width in present(self.out_widths):
            first = sum(self.out_widths[:target])
            for name, sources in self._routes(target):
                columns = slice(starts[sources[0]], starts[sources[-1] + 1])
                rows = weight[first : first + width]
                kernels[f"paths.{name}.weight"] = rows[:, columns].clone()
        return kernels

    @torch.no_grad()
    def fold_balance(self) -> None:
        """Multiply the balance into the kernels and remove it: the same function, at no cost."""
        for target, _ in present(self.out_widths):
            for name, sources in self._routes(target):
                if self.balance:
                    self._conv(name).weight *= self._shares(target, sources)
        self.balance = nn.ParameterDict()

    def _routes(self, target: int) -> list[tuple[str, tuple[int, ...]]]:
        """Return the paths to a scale, fine to coarse: the name, and the input scales it takes."""
        scales = [scale for scale, _ in present(self.in_widths)]
        joined = tuple(scale for scale in scales if scale <= target and self.groups == 1)
        alone = [scale for scale in scales if scale not in joined]
        routes = [(f"{target}to{target}", joined)] if joined else []
        return routes + [(f"{source}to{target}", (source,)) for source in alone]

    def _output(self, target: int, inputs: dict[int, Tensor]) -> Tensor:
        """Sum the paths to one scale; the finest path sets the number of cells."""
        terms = [
            self._path(name, target, {source: inputs[source] for source in sources})
            for name, sources in self._routes(target)
        ]
        total: Tensor = terms[0]
        for term in terms[1:]:
            total = total + crop_like(term, total)
        if self.bias:
            total = total + self.bias[str(target)][:, None, None]
        return total

    def _path(self, name: str, target: int, inputs: dict[int, Tensor]) -> Tensor:
        """Convolve the inputs of one path: pooled and joined, or enlarged after the convolution."""
        finer = [shrink(x, 2 ** max(0, target - s), self.down) for s, x in inputs.items()]
        joined = torch.cat(finer, 1) if len(finer) > 1 else finer[0]
        conv = self._conv(name)
        if self.balance:
            kernel = conv.weight * self._shares(target, tuple(inputs))
            convolved = F.conv2d(joined, kernel, None, 1, conv.padding, conv.dilation, conv.groups)
        else:
            convolved = conv(joined)
        return enlarge(convolved, 2 ** max(0, max(inputs) - target), self.up)

    def _conv(self, name: str) -> nn.Conv2d:
        return cast(nn.Conv2d, self.paths[name])

    def _shares(self, target: int, sources: tuple[int, ...]) -> Tensor:
        """Return the weight of every input channel, (width, columns of a kernel, 1, 1)."""
        strengths = self.balance[str(target)].abs()
        shares = strengths / strengths.sum(0).clamp(min=_NO_STRENGTH)
        scales = [scale for scale, _ in present(self.in_widths)]
        columns = [
            shares[scales.index(source)][:, None].expand(-1, self.in_widths[source] // self.groups)
            for source in sources
        ]
        return torch.cat(columns, 1)[..., None, None]


def fold_balances(module: nn.Module) -> None:
    """Fold the balance of every octave convolution in a module, in place."""
    for layer in module.modules():
        if isinstance(layer, GeneralOctConv):
            layer.fold_balance()


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
