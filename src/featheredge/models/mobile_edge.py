"""Define MobileEdge, an edge network: a MobileNetV2 encoder and depthwise decoder steps.

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
        stem: Channels of the first convolution, which has stride 2.
        blocks: The inverted residual blocks, which halve the picture at least once more.
        top: Channels of the last 1x1 convolution; 0 leaves it out.
        laterals: Channels of the 1x1 layers between encoder taps and decoder, coarse to fine, one
            for each tap in use; empty uses the taps directly. A decoder step is as wide as the tap
            that it is joined with.
        gates: Whether a tap also multiplies the map that it is added to, so that detail counts most
            where the coarser steps respond.
        head: Channels of the last decoder step.
        dilations: Dilations of the scale-enhancement module before the output; empty leaves the
            module out.
        context: Dilations of such a module on the coarsest map, where a large receptive field is
            cheap; empty leaves it out.
        activation: Activation of the encoder; the decoder always uses ReLU.
        side_outputs: Whether each decoder step predicts a map, and all maps are fused at the end.
        output_stride: Stride of the output layer. 1 is the picture's size. At 2 or 4 the logits are
            enlarged bilinearly, which removes nearly all work at full size.
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


#: For saliency, which needs the full receptive field of the encoder and less detail.
FEATHER_SALIENCY = MobileEdgeConfig(
    top=0,
    laterals=(128, 96, 64, 32),
    gates=True,
    head=32,
    dilations=(),
    context=(2, 3),
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
    """A small encoder-decoder for edges.

    The output of each decoder step is resized to the next finer encoder tap and added to it.
    Without side outputs the finest step predicts the map. With them, each step predicts a map, and
    a 1x1 convolution fuses these.
    """

    stride = 32
    config: MobileEdgeConfig

    def __init__(self, config: MobileEdgeConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MobileEdgeConfig()
        self.encoder = MobileNetV2(config.stem, config.blocks, config.top, config.activation)
        halvings = len(self.encoder.tap_widths)
        if halvings < 2 or 2**halvings <= config.output_stride:
            raise ValueError(
                f"the blocks halve the picture {halvings} times, too few for output_stride "
                f"{config.output_stride}; give more blocks stride 2"
            )
        self._unused = max(config.output_stride.bit_length() - 2, 0)
        taps = self.encoder.tap_widths[self._unused :][::-1]
        if config.laterals and len(config.laterals) != len(taps):
            raise ValueError(
                f"laterals has {len(config.laterals)} widths; give one for each of {len(taps)} taps"
            )
        widths = (*(config.laterals or taps), config.head)
        if config.side_outputs and config.output_stride != 1:
            raise ValueError("side outputs are fused at the picture's size; set output_stride 1")
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
        """(B, 3, H, W) -> logits; with side outputs, `sides` are the maps of the steps."""
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
        """Return the output of each decoder step, coarse to fine, resized for the next layer."""
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
        """Initialise convolutions by Kaiming; outputs start near 0, and the fusion as a mean.

        An output has one channel. Kaiming's deviation would be so large for it that training
        starts with confident wrong maps.
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
