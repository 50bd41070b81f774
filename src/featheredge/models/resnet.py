"""Define ResNet (He et al., CVPR 2016) and Res2Net (Gao et al., TPAMI 2021) encoders.

The parameter names are those of the public weights.

Shapes: B batch, C channels, H W pixels, h w cells.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

_Four = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
_Depth = Annotated[int, Field(ge=1, le=200)]


@dataclass(frozen=True, config={"extra": "forbid"})
class ResNetConfig:
    """Every width of a `ResNet`; the defaults are ResNet-50.

    Attributes:
        stem: Channels of the layers before the first pooling: one 7x7 convolution, or several 3x3
            ones (He et al., CVPR 2019, "ResNet-C").
        depths: Number of blocks in each of the four stages.
        hidden: Channels between the 1x1 convolutions of each stage's blocks.
        widths: Channels of the four stages.
        parts: Number of slices of the hidden channels that a Res2Net block convolves one after
            another; 1 is ResNet's block.
        pooled_shortcut: Whether a shortcut that halves the map averages 2x2 cells ("ResNet-D")
            instead of taking every second cell.
    """

    stem: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64,)
    depths: tuple[_Depth, _Depth, _Depth, _Depth] = (3, 4, 6, 3)
    hidden: _Four = (64, 128, 256, 512)
    widths: _Four = (256, 512, 1024, 2048)
    parts: PositiveInt = 1
    pooled_shortcut: bool = False


RESNET50 = ResNetConfig()

#: Res2Net-50 v1b 26w4s: four parts of 26 channels in the first stage.
RES2NET50 = ResNetConfig((32, 32, 64), hidden=(104, 208, 416, 832), parts=4, pooled_shortcut=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolution, and a shortcut (He et al., figure 5)."""

    def __init__(
        self, in_channels: int, hidden: int, out_channels: int, stride: int, shortcut: nn.Module
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self._add_spatial(hidden, stride)
        self.conv3 = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = shortcut

    def _add_spatial(self, hidden: int, stride: int) -> None:
        """Add the 3x3 layers between the 1x1 convolutions."""
        self.conv2 = _conv3x3(hidden, hidden, stride)
        self.bn2 = nn.BatchNorm2d(hidden)

    def _spatial(self, x: Tensor) -> Tensor:
        """(B, hidden, h, w) -> (B, hidden, h / stride, w / stride), sizes rounded up."""
        return F.relu(self.bn2(self.conv2(x)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h / stride, w / stride), sizes rounded up."""
        residual: Tensor = self.bn3(self.conv3(self._spatial(F.relu(self.bn1(self.conv1(x))))))
        return F.relu(residual + self.downsample(x))


class Res2Bottleneck(Bottleneck):
    """Res2Net's block: the hidden channels are convolved in parts.

    The input of each convolution is a part plus the result of the part before it. The last part is
    not convolved. In the first block of a stage (`first`) no results are added, and the last part
    is averaged over 3x3 cells, as published.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        stride: int,
        shortcut: nn.Module,
        *,
        parts: int,
        first: bool,
    ) -> None:
        if hidden % parts:
            raise ValueError(
                f"{hidden} hidden channels cannot be divided into {parts} equal parts; give a "
                f"multiple of {parts}"
            )
        self._parts, self._first = parts, first
        super().__init__(in_channels, hidden, out_channels, stride, shortcut)
        self.pool = nn.AvgPool2d(3, stride, padding=1) if first else nn.Identity()

    def _add_spatial(self, hidden: int, stride: int) -> None:
        width, count = hidden // self._parts, self._parts - 1
        self.convs = nn.ModuleList(_conv3x3(width, width, stride) for _ in range(count))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(count))

    def _spatial(self, x: Tensor) -> Tensor:
        *parts, last = x.chunk(self._parts, 1)
        results: list[Tensor] = []
        for conv, norm, part in zip(self.convs, self.bns, parts, strict=True):
            joined = part if self._first or not results else part + results[-1]
            results.append(F.relu(norm(conv(joined))))
        return torch.cat([*results, self.pool(last)], 1)


class ResNet(nn.Module):
    """The stages of a ResNet or Res2Net; the forward returns the last map of each.

    Parameters have the names of torchvision's `resnet50` and of Res2Net's published v1b files. Both
    load without their `fc.*` entries.
    """

    def __init__(self, config: ResNetConfig = RESNET50) -> None:
        super().__init__()
        self.conv1 = _stem(config.stem)
        self.bn1 = nn.BatchNorm2d(config.stem[-1])
        channels = config.stem[-1]
        for stage, (depth, width) in enumerate(zip(config.depths, config.widths, strict=True)):
            blocks = []
            for index in range(depth):
                blocks.append(_block(config, stage, channels, first=index == 0))
                channels = width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self._initialise()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return features at strides 4, 8, 16 and 32.

        Args:
            image: (B, 3, H, W) float, normalised.

        Returns:
            One (B, widths[i], H / 2^(i+2), W / 2^(i+2)) tensor per stage, sizes rounded up.
        """
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, 2, padding=1)
        stages = []
        for number in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{number}")(x)
            stages.append(x)
        return stages

    def _initialise(self) -> None:
        """Initialise convolutions by Kaiming, as in the paper."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _block(config: ResNetConfig, stage: int, in_channels: int, *, first: bool) -> Bottleneck:
    """Return a block; the first of a stage sets the width and, after stage 1, halves the map."""
    hidden, width = config.hidden[stage], config.widths[stage]
    stride = 2 if first and stage else 1
    shortcut = _shortcut(config, in_channels, width, stride) if first else nn.Identity()
    if config.parts == 1:
        return Bottleneck(in_channels, hidden, width, stride, shortcut)
    return Res2Bottleneck(
        in_channels, hidden, width, stride, shortcut, parts=config.parts, first=first
    )


def _shortcut(config: ResNetConfig, in_channels: int, width: int, stride: int) -> nn.Sequential:
    """Return the projection shortcut of the first block of a stage."""
    if not config.pooled_shortcut:
        conv = nn.Conv2d(in_channels, width, 1, stride, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(width))
    return nn.Sequential(
        nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
        nn.Conv2d(in_channels, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )


def _stem(widths: tuple[int, ...]) -> nn.Module:
    """Return the first convolutions, with stride 2; the norm of the last one is not included."""
    if len(widths) == 1:
        return nn.Conv2d(3, widths[0], 7, 2, padding=3, bias=False)
    layers: list[nn.Module] = []
    channels = 3
    for index, width in enumerate(widths):
        if index:
            layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        layers.append(_conv3x3(channels, width, 1 if index else 2))
        channels = width
    return nn.Sequential(*layers)


def _conv3x3(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    """Return a 3x3 convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
