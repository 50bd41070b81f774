"""MobileEdge: a MobileNetV2 encoder and depthwise decoder steps, for edge detection.

Shapes: B batch, C channels, H W pixels.
"""

from itertools import pairwise
from typing import Literal

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


@dataclass(frozen=True, config={"extra": "forbid"})
class MobileEdgeConfig:
    """Every width of a `MobileEdge`; the defaults are the published student.

    Attributes:
        stem: channels of the first convolution, at stride 2.
        blocks: the inverted residual blocks, which halve the picture at least once more.
        top: channels of the last 1x1 convolution; 0 leaves it out.
        laterals: channels that a 1x1 layer makes of each encoder tap in use before it joins the
            decoder, coarse to fine; empty takes the taps as they are. A decoder step is as wide
            as the tap that it is joined with.
        gates: whether a tap also multiplies what it is added to, so that detail counts most where
            the coarser steps saw something.
        head: channels of the last decoder step.
        dilations: of the scale-enhancement module before the output; empty leaves it out.
        context: dilations of one on the coarsest map, where a wide view is cheap; likewise.
        activation: of the encoder; the decoder always uses ReLU.
        side_outputs: whether each decoder step predicts a map of its own, fused at the end.
        output_stride: 1 where the output layer works at the picture's size. Where it is 2 or 4
            the logits are made at that stride and enlarged bilinearly, which takes nearly all
            work at full size away.
    """

    stem: PositiveInt = 32
    blocks: tuple[Bottleneck, ...] = MOBILENET_V2
    top: NonNegativeInt = 1280
    laterals: tuple[PositiveInt, ...] = ()
    gates: bool = False
    head: PositiveInt = 16
    dilations: tuple[PositiveInt, ...] = (4, 8, 12)
    context: tuple[PositiveInt, ...] = ()
    activation: Activation = "relu6"
    side_outputs: bool = False
    output_stride: Literal[1, 2, 4] = 1


#: MobileNetV2's layers down to stride 16, so that its ImageNet weights still fit: 247 k parameters.
MOBILE_EDGE_S = MobileEdgeConfig(
    blocks=MOBILENET_V2[:10], top=0, dilations=(), context=(2, 4, 8), output_stride=2
)

#: Down to stride 8 only: 59 k parameters.
MOBILE_EDGE_XS = MobileEdgeConfig(
    blocks=MOBILENET_V2[:6], top=0, dilations=(), context=(2, 4, 8), output_stride=2
)

#: The same family for salient objects, which need all of the encoder's view and less of the detail.
FEATHER_SALIENCY = MobileEdgeConfig(
    top=0,
    laterals=(128, 96, 64, 32),
    gates=True,
    head=32,
    dilations=(),
    context=(2, 3),
    output_stride=4,
)

#: Down to stride 16, where the dilations of its context still reach across a 224 px picture.
FEATHER_SALIENCY_S = MobileEdgeConfig(
    blocks=MOBILENET_V2[:10],
    top=0,
    laterals=(64, 48, 32),
    gates=True,
    head=32,
    dilations=(),
    context=(1, 2, 4, 8),
    output_stride=4,
)


class DecoderStep(nn.Sequential):
    """Depthwise 3x3, then pointwise 1x1; the caller resizes and adds the encoder tap."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(depthwise(in_channels), ConvNormAct(in_channels, out_channels, 1))


class Output(nn.Sequential):
    """Scale enhancement, then a 1x1 convolution to one channel of logits."""

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        layers: list[nn.Module] = [ScaleEnhancement(channels, dilations)] if dilations else []
        super().__init__(*layers, nn.Conv2d(channels, 1, 1))


class MobileEdge(Network):
    """Edges from a small encoder-decoder.

    Each decoder step is resized to the next finer encoder tap and added to it. Without side
    outputs the finest step alone gives the map; with them, each step gives one, and a 1x1
    convolution fuses them.
    """

    stride = 32
    config: MobileEdgeConfig

    def __init__(self, config: MobileEdgeConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MobileEdgeConfig()
        self.encoder = MobileNetV2(config.stem, config.blocks, config.top, config.activation)
        halvings = len(self.encoder.tap_widths)
        if halvings < 2 or 2**halvings <= config.output_stride:
            raise ValueError("the blocks halve the picture too rarely; give more of them stride 2")
        self._unused = max(config.output_stride.bit_length() - 2, 0)
        taps = self.encoder.tap_widths[self._unused :][::-1]
        if config.laterals and len(config.laterals) != len(taps):
            raise ValueError(f"laterals: expected one for each of {len(taps)} taps in use")
        widths = (*(config.laterals or taps), config.head)
        if config.side_outputs and config.output_stride != 1:
            raise ValueError("side outputs are fused at the picture's size: output_stride 1")
        self.stride = 2**halvings
        deepest = self.encoder.tap_widths[-1]
        self.context = ScaleEnhancement(deepest, config.context) if config.context else None
        pairs = zip(taps, config.laterals, strict=False)
        self.laterals = nn.ModuleList(ConvNormAct(*pair, 1) for pair in pairs)
        self.steps = nn.ModuleList(DecoderStep(*pair) for pair in pairwise(widths))
        outputs = widths[1:] if config.side_outputs else widths[-1:]
        self.outputs = nn.ModuleList(Output(width, config.dilations) for width in outputs)
        self.fuse = nn.Conv2d(len(outputs), 1, 1) if config.side_outputs else None
        self._initialise()

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits; `sides` are the steps' maps with side outputs."""
        decoded = self._decode(image)
        if self.fuse is not None:
            pairs = zip(self.outputs, decoded, strict=True)
            sides = tuple(resize_like(output(x), image) for output, x in pairs)
            return Logits(self.fuse(torch.cat(sides, 1)), sides)
        logits = self.outputs[0](decoded[-1])
        if self.config.output_stride > 1:
            logits = resize_like(logits, image)
        return Logits(logits, ())

    def _decode(self, image: Tensor) -> list[Tensor]:
        """What each decoder step gives, coarse to fine, resized to what comes after it."""
        x, *taps = self.encoder(image)[self._unused :][::-1]
        if self.context is not None:
            x = x + self.context(x)
        if self.laterals:
            x, *taps = (lateral(y) for lateral, y in zip(self.laterals, (x, *taps), strict=True))
        *steps, last = self.steps
        decoded = []
        for step, tap in zip(steps, taps, strict=True):
            coarse = resize_like(step(x), tap)
            x = coarse + tap + coarse * tap if self.config.gates else coarse + tap
            decoded.append(x)
        x = last(x)
        decoded.append(resize_like(x, image) if self.config.output_stride == 1 else x)
        return decoded

    def _initialise(self) -> None:
        """Kaiming for the convolutions; outputs start near 0, their fusion as their mean.

        An output has one channel, for which Kaiming's deviation would be so large that
        training begins with maps that are sure of themselves and wrong.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for output in self.outputs:
            *_, weight, _ = output.parameters()
            nn.init.normal_(weight, std=0.01)
        if self.fuse is not None:
            nn.init.constant_(self.fuse.weight, 1 / self.fuse.in_channels)
