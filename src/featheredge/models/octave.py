"""Octave convolutions: maps at several scales that exchange what they hold (gOctConv, OctConv).

Scale i has 1 / 2^i of the cells of scale 0 along each axis, rounded up. A layer takes and returns
a list of maps, fine to coarse, of those scales only that have channels: a width of 0 leaves a
scale out.

Shapes: B batch, C_i h_i w_i channels and cells of scale i, k kernel size.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt
from torch import Tensor, nn

from featheredge.errors import ArgumentError

#: Channels of every scale, fine to coarse.
Scales: TypeAlias = tuple[NonNegativeInt, ...]
Down = Literal["max", "average", "bilinear"]
Up = Literal["bilinear", "nearest"]


def shrink(x: Tensor, factor: int, mode: Down) -> Tensor:
    """Bring a map down to a coarser scale, the centres of its cells staying where they are.

    A strided convolution with an odd kernel would move the map by half a cell; pooling does not.

    Args:
        x: (B, C, h, w).
        factor: cells that become one, along each axis.
        mode: "max" and "average" pool; "bilinear" samples between the middle cells.

    Returns:
        (B, C, h / factor, w / factor), rounded up: the last row and column are repeated first.
    """
    if factor == 1:
        return x
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        x = fit(x, factor)
    if mode == "bilinear":
        return F.interpolate(x, scale_factor=1 / factor, mode=mode, align_corners=False)
    return F.max_pool2d(x, factor) if mode == "max" else F.avg_pool2d(x, factor)


def enlarge(x: Tensor, factor: int, mode: Up = "bilinear") -> Tensor:
    """Bring a map up to a finer scale, centres kept: (B, C, h, w) -> (B, C, factor h, factor w)."""
    if factor == 1:
        return x
    align_corners = False if mode == "bilinear" else None
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=align_corners)


def fit(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of `multiple`.

    A network that fits its picture to its stride has scales that divide evenly: then `shrink` and
    `crop_like` find nothing to do further in, and leave nothing in an exported graph.
    """
    height, width = x.shape[-2:]
    # Written so that an export with sizes left open can prove the sums to be multiples.
    bottom = (height + multiple - 1) // multiple * multiple - height
    right = (width + multiple - 1) // multiple * multiple - width
    return F.pad(x, (0, right, 0, bottom), mode="replicate")


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Drop the rows and columns of `x` beyond those of `reference`, which `fit` had added."""
    height, width = reference.shape[-2:]
    return x if x.shape[-2:] == reference.shape[-2:] else x[..., :height, :width]


class GeneralOctConv(nn.Module):
    """Generalised octave convolution (Gao et al., ECCV 2020, section 3.1), without bias.

    Every output scale is the sum of convolutions of all input scales: finer ones are pooled
    before, coarser ones enlarged after. Inputs may come from several stages of a network, and
    inputs and outputs need not have the same scales.

    The finer inputs of an output are pooled and joined to its own, which makes one convolution of
    them; `paths` holds that as "TtoT" and those of the coarser inputs as "StoT", for source
    scale S and target scale T.

    Args:
        in_widths: channels of every input scale.
        out_widths: channels of every output scale.
        kernel: odd kernel size; the borders are padded by half of it.
        stride: with 2 every input is averaged over 2x2 cells first.
        down: how an input goes to a coarser scale.
        up: how a convolved input goes to a finer scale.

    Raises:
        ArgumentError: no input or no output has channels, or the kernel is even.
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
                "an octave convolution needs an input and an output scale with channels and an odd "
                f"kernel; got widths {tuple(in_widths)} -> {tuple(out_widths)}, kernel {kernel}"
            )
        self.in_widths, self.out_widths = tuple(in_widths), tuple(out_widths)
        self.stride, self.down, self.up = stride, down, up
        self.paths = nn.ModuleDict()
        for target, width in present(out_widths):
            for source, columns in self._sources(target):
                conv = nn.Conv2d(
                    columns.stop - columns.start, width, kernel, padding=kernel // 2, bias=False
                )
                # The paths are summed, so their initial weights are those of one convolution.
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
        """Cut one kernel for all scales into those of `paths`.

        Args:
            weight: (sum of out_widths, sum of in_widths, k, k), scales fine to coarse: the form in
                which the paper states the layer.

        Returns:
            Tensors by their names in this module's state.
        """
        kernels = {}
        for target, width in present(self.out_widths):
            start = sum(self.out_widths[:target])
            for source, columns in self._sources(target):
                rows = weight[start : start + width]
                kernels[f"paths.{source}to{target}.weight"] = rows[:, columns].clone()
        return kernels

    def _sources(self, target: int) -> list[tuple[int, slice]]:
        """For every path to a scale, its source and which of all input channels it takes."""
        own = sum(self.in_widths[: target + 1])
        sources = [(target, slice(0, own))] if own else []
        for source, width in present(self.in_widths):
            if source > target:
                start = sum(self.in_widths[:source])
                sources.append((source, slice(start, start + width)))
        return sources

    def _output(self, target: int, inputs: dict[int, Tensor]) -> Tensor:
        """Sum the paths to one scale; the finest of them says how many cells the scale has."""
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
    """The scales that have channels, with these."""
    return [(scale, width) for scale, width in enumerate(widths) if width]


class PerScale(nn.ModuleList):
    """One layer for every scale, and nothing between the scales."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Apply each layer to its map."""
        return [layer(x) for layer, x in zip(self, maps, strict=True)]


def octave_widths(channels: int, alpha: float) -> tuple[int, int]:
    """Channels at full and at half resolution, of which the latter are a share `alpha`."""
    if not 0 <= alpha <= 1:
        raise ArgumentError(f"alpha is the share of channels at half resolution, got {alpha}")
    low = int(alpha * channels)
    return channels - low, low


class OctConv(GeneralOctConv):
    """Octave convolution (Chen et al., ICCV 2019, section 3.3), without bias.

    A `GeneralOctConv` of maps at full and at half resolution: average pooling down, nearest
    neighbours up.

    Args:
        in_channels: of both resolutions together.
        out_channels: likewise.
        kernel: odd kernel size.
        alpha_in: share of the input's channels at half resolution; 0 for a network's first.
        alpha_out: share of the output's; 0 for its last.
        stride: with 2 every input is averaged over 2x2 cells first.
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
    """ResNet's bottleneck block with octave convolutions, for the block it replaces.

    1x1, 3x3 (which strides) and 1x1, each with batch norm; ReLU; a shortcut, projected where
    channels, their shares or the size change. Has the parameters of ResNet's block.

    Args:
        in_channels: of both resolutions together, as for the next two.
        hidden: between the 1x1 convolutions.
        out_channels: of the output.
        alpha_in: share of the input's channels at half resolution; 0 for the first block, whose
            input is a list of one map.
        alpha_out: share of the other layers'; 0 ends with a list of one map.
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
        """One map per input scale -> one per output scale, halved with stride 2."""
        shortcut = maps if self.shortcut is None else self.shortcut(maps)
        pairs = zip(self.residual(maps), shortcut, strict=True)
        return [F.relu(residual + x) for residual, x in pairs]


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
