"""MobileEdge: a MobileNetV2 encoder with five depthwise decoder steps, for edge detection.

Shapes: B batch, C channels, H W pixels.
"""

from itertools import pairwise

import torch
from pydantic import NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.models.blocks import (
    Activation,
    ConvNormAct,
    ScaleEnhancement,
    depthwise,
    resize_like,
)
from featheredge.models.mobilenet import MOBILENET_V2, Bottleneck, MobileNetV2
from featheredge.models.network import Logits, Network

_NUM_STEPS = 5


@dataclass(frozen=True, config={"extra": "forbid"})
class MobileEdgeConfig:
    """Every width of a `MobileEdge`; the defaults are the published student.

    Attributes:
        stem: channels of the first convolution, at stride 2.
        blocks: the inverted residual blocks, which must halve the picture four more times.
        top: channels of the last 1x1 convolution; 0 leaves it out.
        head: channels of the last decoder step. The other steps take the widths of the
            encoder taps that are added to them.
        dilations: of the scale-enhancement module; empty leaves the module out.
        activation: of the encoder; the decoder always uses ReLU.
        side_outputs: whether each decoder step predicts a map of its own, fused at the end.
    """

    stem: PositiveInt = 32
    blocks: tuple[Bottleneck, ...] = MOBILENET_V2
    top: NonNegativeInt = 1280
    head: PositiveInt = 16
    dilations: tuple[int, ...] = (4, 8, 12)
    activation: Activation = "relu6"
    side_outputs: bool = False


class DecoderStep(nn.Sequential):
    """Depthwise 3x3, then pointwise 1x1; the caller resizes and adds the encoder tap."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(depthwise(in_channels), ConvNormAct(in_channels, out_channels, 1))


class SideOutput(nn.Sequential):
    """Scale enhancement, then a 1x1 convolution to one logit per pixel."""

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        layers: list[nn.Module] = [ScaleEnhancement(channels, dilations)] if dilations else []
        super().__init__(*layers, nn.Conv2d(channels, 1, 1))


class MobileEdge(Network):
    """Edges from a small encoder-decoder.

    Each decoder step halves no more than it must: it resizes to the next finer encoder tap and
    is added to it. Without side outputs the finest step alone gives the map; with them, each
    step gives one, and a 1x1 convolution fuses the five.
    """

    stride = 32

    def __init__(self, config: MobileEdgeConfig | None = None) -> None:
        super().__init__()
        config = config or MobileEdgeConfig()
        self.config = config
        self.encoder = MobileNetV2(config.stem, config.blocks, config.top, config.activation)
        widths = (*reversed(self.encoder.tap_widths), config.head)
        if len(widths) != _NUM_STEPS + 1:
            raise ValueError(
                f"the encoder has {len(widths) - 1} strides, but MobileEdge decodes "
                f"{_NUM_STEPS}; give blocks with {_NUM_STEPS - 1} strides of 2"
            )
        self.steps = nn.ModuleList(DecoderStep(*pair) for pair in pairwise(widths))
        outputs = widths[1:] if config.side_outputs else widths[-1:]
        self.outputs = nn.ModuleList(SideOutput(width, config.dilations) for width in outputs)
        self.fuse = nn.Conv2d(len(outputs), 1, 1) if config.side_outputs else None
        self._initialise()

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits; `sides` are the five steps' maps with side outputs."""
        taps = self.encoder(image)
        x = taps.pop()
        decoded = []
        for step, target in zip(self.steps, [*reversed(taps), image], strict=True):
            x = resize_like(step(x), target)
            if target is not image:
                x = x + target
            decoded.append(x)
        if self.fuse is None:
            return Logits(self.outputs[0](x), ())
        pairs = zip(self.outputs, decoded, strict=True)
        sides = tuple(resize_like(output(x), image) for output, x in pairs)
        return Logits(self.fuse(torch.cat(sides, 1)), sides)

    def _initialise(self) -> None:
        """Kaiming for the convolutions; the fusion starts as the mean of the side outputs."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.fuse is not None:
            nn.init.constant_(self.fuse.weight, 1 / self.fuse.in_channels)
