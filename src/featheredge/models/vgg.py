"""Define RCF's form of the VGG16 encoder (Simonyan and Zisserman, ICLR 2015).

The parameter names are torchvision's.

Shapes: B batch, C channels, H W pixels.
"""

from typing import TypeAlias

from pydantic import PositiveInt
from torch import Tensor, nn

from featheredge.models.resample import max_pool

_Stage: TypeAlias = tuple[PositiveInt, ...]
StageWidths: TypeAlias = tuple[_Stage, _Stage, _Stage, _Stage, _Stage]

#: VGG16's 13 convolutions: the channels of each, by stage (configuration D of the paper).
VGG16_WIDTHS: StageWidths = (
    (64, 64),
    (128, 128),
    (256, 256, 256),
    (512, 512, 512),
    (512, 512, 512),
)


class OverlappingPool(nn.Module):
    """2x2 max pooling at stride 1: (B, C, h, w) -> (B, C, h - 1, w - 1), at least 1."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h - 1, w - 1), at least one row and column."""
        return max_pool(x, stride=1)


class VGG16(nn.Module):
    """VGG16's convolutions; the forward returns the output of each.

    As in RCF (Liu et al., CVPR 2017, section 3.1) there are no fully connected layers and no fifth
    pooling. The fourth pooling has stride 1 and the last stage has dilation 2, so it stays at
    stride 8. `features.*` has the names of torchvision's `vgg16`, or of `vgg16_bn` with batch norm.
    """

    def __init__(self, widths: StageWidths = VGG16_WIDTHS, *, batch_norm: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self._taps: list[tuple[int, ...]] = []
        channels = 3
        for stage, stage_widths in enumerate(widths):
            last = stage == len(widths) - 1
            taps = []
            for width in stage_widths:
                layers.append(_conv3x3(channels, width, dilation=2 if last else 1))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                taps.append(len(layers) - 1)
                channels = width
            self._taps.append(tuple(taps))
            if not last:
                overlapping = stage == len(widths) - 2
                layers.append(OverlappingPool() if overlapping else nn.MaxPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> list[list[Tensor]]:
        """Return the features after the activation of every convolution, by stage.

        Args:
            image: (B, 3, H, W) float, normalised.

        Returns:
            For every stage, one (B, C, h, w) tensor per convolution. The stages have strides 1, 2,
            4, 8 and 8, sizes rounded up; the fifth has one row and one column less than the fourth.
        """
        stages: list[list[Tensor]] = [[] for _ in self._taps]
        ends = {index: stage for stage, taps in enumerate(self._taps) for index in taps}
        x = image
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in ends:
                stages[ends[index]].append(x)
        return stages


def _conv3x3(in_channels: int, out_channels: int, *, dilation: int) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size, initialised by Kaiming."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv
