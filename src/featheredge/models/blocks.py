"""Building blocks that more than one network uses.

Shapes: B batch, C channels, H W pixels. Every block takes and returns (B, C, H, W) float tensors.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["relu", "relu6", "none"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6}


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm, activation; "same" padding at stride 1.

    Child names `0`, `1`, `2` are torchvision's, so that its checkpoints load unchanged.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: Activation = "relu",
    ) -> None:
        padding = dilation * (kernel - 1) // 2
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if activation != "none":
            layers.append(_ACTIVATIONS[activation](inplace=True))
        super().__init__(*layers)


def depthwise(
    channels: int, *, stride: int = 1, dilation: int = 1, activation: Activation = "relu"
) -> ConvNormAct:
    """A 3x3 depthwise `ConvNormAct`: one filter per channel."""
    return ConvNormAct(
        channels,
        channels,
        stride=stride,
        dilation=dilation,
        groups=channels,
        activation=activation,
    )


class ScaleEnhancement(nn.Module):
    """Scale-enhancement module: a 3x3 depthwise layer, then dilated ones in parallel, summed.

    It widens the view of a decoder step at the price of a few depthwise filters. After the
    module of the same name in BDCN (He et al., CVPR 2019, section 3.2), made depthwise.
    """

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.reduce = depthwise(channels)
        self.branches = nn.ModuleList(depthwise(channels, dilation=d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        x = self.reduce(x)
        total: Tensor = reduce(torch.add, (branch(x) for branch in self.branches))
        return total


def resize_like(x: Tensor, reference: Tensor) -> Tensor:
    """Bilinear resize of `x` to the height and width of `reference`, pixel centres aligned."""
    size = reference.shape[-2:]
    resized: Tensor = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    return resized
