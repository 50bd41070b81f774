"""Define encoders of inverted residual blocks: MobileNetV2 and EfficientNet-Lite0.

The parameter names are those of torchvision's `mobilenet_v2`.

Shapes: B batch, C channels, H W pixels.
"""

from pydantic import NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.models.blocks import Activation, ConvNormAct, conv_norm, depthwise


@dataclass(frozen=True, config={"extra": "forbid"})
class Bottleneck:
    """Widths of one inverted residual block.

    Attributes:
        hidden: Channels of its depthwise layer; 0 if the block has no expansion layer and the
            depthwise layer works on the input.
        out: Channels of its output.
        stride: Stride of the depthwise layer, 1 or 2.
        residual: Whether the input is added to the output. This is stored and not derived from the
            widths, because pruning can make the widths of a block without a residual equal.
        dilation: Dilation of the depthwise layer; it enlarges the receptive field without
            parameters.
        kernel: Side of the depthwise layer's filters, odd.
    """

    hidden: NonNegativeInt
    out: PositiveInt
    stride: int = 1
    residual: bool = False
    dilation: PositiveInt = 1
    kernel: PositiveInt = 3


def _stage(
    hidden: int, out: int, stride: int, repeats: int, kernel: int = 3
) -> tuple[Bottleneck, ...]:
    """Return a stage; `hidden` is for the first block, and later blocks expand 6 times."""
    rest = Bottleneck(6 * out, out, residual=True, kernel=kernel)
    return (Bottleneck(hidden, out, stride, kernel=kernel), *[rest] * (repeats - 1))


#: MobileNetV2 at width 1.0 (Sandler et al., table 2).
MOBILENET_V2 = (
    Bottleneck(0, 16),
    *_stage(96, 24, 2, 2),
    *_stage(144, 32, 2, 3),
    *_stage(192, 64, 2, 4),
    *_stage(384, 96, 1, 3),
    *_stage(576, 160, 2, 3),
    *_stage(960, 320, 1, 1),
)

#: EfficientNet-Lite0: EfficientNet-B0 (Tan and Le, ICML 2019, table 1) without squeeze-and-excite.
EFFICIENTNET_LITE0 = (
    Bottleneck(0, 16),
    *_stage(96, 24, 2, 2),
    *_stage(144, 40, 2, 2, kernel=5),
    *_stage(240, 80, 2, 3),
    *_stage(480, 112, 1, 3, kernel=5),
    *_stage(672, 192, 2, 4, kernel=5),
    *_stage(1152, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Pointwise expansion, depthwise layer, linear pointwise projection, optional residual."""

    def __init__(self, in_channels: int, widths: Bottleneck, activation: Activation) -> None:
        super().__init__()
        hidden = widths.hidden or in_channels
        layers: list[nn.Module] = []
        if widths.hidden:
            layers.append(ConvNormAct(in_channels, hidden, 1, activation=activation))
        layers += [
            depthwise(
                hidden,
                widths.kernel,
                stride=widths.stride,
                dilation=widths.dilation,
                activation=activation,
            ),
            nn.Conv2d(hidden, widths.out, 1, bias=False),
            nn.BatchNorm2d(widths.out),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = widths.residual
        if widths.residual and (widths.stride != 1 or in_channels != widths.out):
            raise ValueError(
                f"a residual block needs stride 1 and equal widths; got stride {widths.stride} "
                f"and {in_channels} -> {widths.out} channels"
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride), sizes rounded up."""
        *layers, conv, norm = self.conv
        out = x
        for layer in layers:
            out = layer(out)
        out = conv_norm(conv, norm, out)
        return x + out if self.residual else out


class MobileNetV2(nn.Module):
    """The feature layers of MobileNetV2, or of a network of the same blocks.

    The forward returns the last map of every stride. `features.*` has torchvision's names, so
    `load_state_dict` takes torchvision's `mobilenet_v2` file without its `classifier.*` entries.
    """

    def __init__(
        self,
        stem: int = 32,
        blocks: tuple[Bottleneck, ...] = MOBILENET_V2,
        top: int = 1280,
        activation: Activation = "relu6",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvNormAct(3, stem, stride=2, activation=activation)]
        channels = stem
        for block in blocks:
            layers.append(InvertedResidual(channels, block, activation))
            channels = block.out
        if top:
            layers.append(ConvNormAct(channels, top, 1, activation=activation))
        self.features = nn.Sequential(*layers)
        self._taps, self.tap_widths = _find_taps(stem, blocks, top)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return features at strides 2, 4, 8, ...

        Args:
            image: (B, 3, H, W) float, RGB, ImageNet-normalised.

        Returns:
            One (B, tap_widths[i], H / 2^(i+1), W / 2^(i+1)) tensor per stride, sizes rounded up.
        """
        taps: list[Tensor] = []
        x = image
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                taps.append(x)
        return taps


def _find_taps(
    stem: int, blocks: tuple[Bottleneck, ...], top: int
) -> tuple[frozenset[int], tuple[int, ...]]:
    """Return layer indices and widths of the last map before each halving, and of the last map."""
    layers = [(stem, 2), *((block.out, block.stride) for block in blocks)]
    if top:
        layers.append((top, 1))
    last = len(layers) - 1
    taps = [i for i in range(len(layers)) if i == last or layers[i + 1][1] == 2]
    return frozenset(taps), tuple(layers[i][0] for i in taps)
