"""Define Feather, a network with a light decoder, which can use context from the whole picture.

The encoder has inverted residual blocks. Its coarsest map becomes a context map, with large
depthwise kernels. Decoder steps bring it to finer strides, and each adds and multiplies the
encoder's map of that stride. For saliency, a global average joins the context map, and a gate
scales the channels of every step by the average of the context, so that every step depends on the
whole picture. Edges are local, and their large pictures are processed in tiles: they go without.

Shapes: B batch, C channels, H W pixels, h w cells of a coarse map.
"""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.models.blocks import Activation, ConvNormAct, UnsharpMask, resize_like
from featheredge.models.mobilenet import EFFICIENTNET_LITE0, Bottleneck, MobileNetV2
from featheredge.models.network import Logits, Network


@dataclass(frozen=True, config={"extra": "forbid"})
class FeatherConfig:
    """Every width of a `Feather`; the defaults are `feather-saliency`.

    Attributes:
        stem: Channels of the first convolution, which has stride 2.
        blocks: The inverted residual blocks.
        context: Channels of the context map that the decoder starts from.
        context_kernels: Sides of the context's depthwise kernels, one residual block each.
        whole: Whether averages over the whole picture join the context and gate the steps.
        steps: Channels of the decoder steps, coarse to fine; each step halves the stride.
        kernels: Sides of the depthwise kernels in a step's residual blocks.
        fine: Channels of a last step at half the stride of the step before, with one 3x3 layer; 0
            leaves it out.
        subpixels: Logits along each side of a cell of the finest map: at 2, a map of stride 4
            predicts at stride 2, without layers there. More than 1 needs a 3x3 output layer.
        sharpen: Strength of the `UnsharpMask` on the logits in evaluation; 0 leaves it out.
        activation: Activation of the encoder; the decoder always uses ReLU.
    """

    stem: PositiveInt = 32
    blocks: tuple[Bottleneck, ...] = EFFICIENTNET_LITE0
    context: PositiveInt = 128
    context_kernels: tuple[PositiveInt, ...] = (7, 7)
    whole: bool = True
    steps: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (96, 64, 40)
    kernels: tuple[PositiveInt, ...] = (3, 3)
    fine: NonNegativeInt = 16
    subpixels: Literal[1, 2] = 1
    sharpen: NonNegativeFloat = 0.0
    activation: Activation = "relu6"


#: For edges: local, and wider where the map is fine.
MOBILE_EDGE = FeatherConfig(
    context_kernels=(5,), whole=False, steps=(96, 64, 48), fine=32, sharpen=1.0
)

#: For edges, without the 8 blocks behind stride 16 and without layers at half size.
MOBILE_EDGE_S = FeatherConfig(
    blocks=EFFICIENTNET_LITE0[:8],
    context=80,
    context_kernels=(5,),
    whole=False,
    steps=(64, 32),
    fine=0,
    subpixels=2,
    sharpen=1.0,
)

#: For edges, down to stride 8 only.
MOBILE_EDGE_XS = FeatherConfig(
    blocks=EFFICIENTNET_LITE0[:5],
    context=48,
    context_kernels=(7, 7),
    whole=False,
    steps=(32,),
    fine=0,
    subpixels=2,
    sharpen=1.0,
)

#: For saliency, without 6 of the 16 blocks, and only one of them at stride 32: 766 k parameters.
FEATHER_SALIENCY_S = FeatherConfig(
    blocks=(*EFFICIENTNET_LITE0[:9], EFFICIENTNET_LITE0[11]),
    steps=(96, 64, 32),
    fine=0,
    subpixels=2,
)


class Separable(nn.Module):
    """A residual block: depthwise layer, pointwise layer, batch norm, ReLU."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.pointwise = ConvNormAct(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        out: Tensor = x + self.pointwise(self.depthwise(x))
        return out


class Context(nn.Module):
    """The context map: the coarsest map with a large receptive field, and its global average."""

    def __init__(
        self, in_channels: int, channels: int, kernels: tuple[int, ...], *, whole: bool
    ) -> None:
        super().__init__()
        self.reduce = ConvNormAct(in_channels, channels, 1)
        average = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True))
        self.average = average if whole else None
        self.blocks = nn.Sequential(*(Separable(channels, kernel) for kernel in kernels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, C, h, w)."""
        x = self.reduce(x)
        if self.average is not None:
            x = x + self.average(global_average(x))
        out: Tensor = self.blocks(x)
        return out


class Step(nn.Module):
    """One decoder step: enlarge the coarser map, join it with an encoder map, gate and refine.

    `context` is the number of channels that gate the step; 0 leaves the gate out.
    """

    def __init__(
        self, coarse: int, tap: int, context: int, channels: int, kernels: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.project = ConvNormAct(coarse, channels, 1)
        self.lateral = ConvNormAct(tap, channels, 1)
        self.gate = nn.Conv2d(context, channels, 1) if context else None
        self.blocks = nn.Sequential(*(Separable(channels, kernel) for kernel in kernels))

    def forward(self, coarse: Tensor, tap: Tensor, average: Tensor | None) -> Tensor:
        """(B, coarse, h, w), (B, tap, 2 h, 2 w) and (B, context, 1, 1) -> (B, C, 2 h, 2 w)."""
        lateral = self.lateral(tap)
        enlarged = resize_like(self.project(coarse), lateral)
        joined = enlarged + lateral + enlarged * lateral
        if self.gate is not None and average is not None:
            joined = joined * self.gate(average).sigmoid()
        out: Tensor = self.blocks(joined)
        return out


class Fine(nn.Module):
    """A cheap last step: two joined 1x1 layers and a 3x3 layer."""

    def __init__(self, coarse: int, tap: int, channels: int) -> None:
        super().__init__()
        self.project = ConvNormAct(coarse, channels, 1)
        self.lateral = ConvNormAct(tap, channels, 1)
        self.block = Separable(channels, 3)

    def forward(self, coarse: Tensor, tap: Tensor) -> Tensor:
        """(B, coarse, h, w) and (B, tap, 2 h, 2 w) -> (B, C, 2 h, 2 w)."""
        lateral = self.lateral(tap)
        enlarged = resize_like(self.project(coarse), lateral)
        out: Tensor = self.block(enlarged + lateral + enlarged * lateral)
        return out


class SubpixelOutput(nn.Sequential):
    """A 3x3 layer that predicts several logits for every cell, each for its part of the cell.

    This is the sub-pixel convolution of Shi et al. (CVPR 2016, section 3.2).
    """

    def __init__(self, channels: int, subpixels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, subpixels**2, 3, padding=1), nn.PixelShuffle(subpixels)
        )


class Feather(Network):
    """A map from an encoder and a light decoder with lateral connections.

    Each step predicts a map at its own size, and a loss compares it with the label at that size
    (deep supervision). Exported files compute only the finest map.
    """

    config: FeatherConfig

    def __init__(self, config: FeatherConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FeatherConfig()
        self.encoder = MobileNetV2(config.stem, config.blocks, 0, config.activation)
        widths = self.encoder.tap_widths
        needed = len(config.steps) + 1 + bool(config.fine)
        if len(widths) < needed:
            raise ValueError(
                f"the blocks halve the picture {len(widths)} times, but {len(config.steps)} steps "
                f"need {needed}; give more blocks stride 2, or fewer steps"
            )
        self.stride = 2 ** len(widths)
        self.context = Context(
            widths[-1], config.context, config.context_kernels, whole=config.whole
        )
        gating = config.context if config.whole else 0
        coarse = (config.context, *config.steps)
        taps = widths[-2::-1]
        self.steps = nn.ModuleList(
            Step(wide, tap, gating, channels, config.kernels)
            for wide, tap, channels in zip(coarse[:-1], taps, config.steps, strict=False)
        )
        fine_tap = taps[len(config.steps)] if config.fine else 0
        self.fine = Fine(coarse[-1], fine_tap, config.fine) if config.fine else None
        *sides, final = (*coarse, config.fine) if config.fine else coarse
        self.outputs = nn.ModuleList(nn.Conv2d(channels, 1, 1) for channels in sides)
        self.outputs.append(
            nn.Conv2d(final, 1, 1)
            if config.subpixels == 1
            else SubpixelOutput(final, config.subpixels)
        )
        self.sharpen = UnsharpMask(config.sharpen) if config.sharpen else nn.Identity()
        self.training_only = tuple(f"outputs.{index}" for index in range(len(sides)))
        self._initialise()

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits; `sides` have the sizes of the context and the steps."""
        decoded = self._decode(image)
        *sides, final = (output(x) for output, x in zip(self.outputs, decoded, strict=True))
        return Logits(resize_like(self.sharpen(final), image), tuple(sides))

    def _decode(self, image: Tensor) -> list[Tensor]:
        """Return the context map and the output of every step, coarse to fine."""
        deepest, *taps = self.encoder(image)[::-1]
        decoded = [self.context(deepest)]
        average = global_average(decoded[0]) if self.config.whole else None
        for step, tap in zip(self.steps, taps, strict=False):
            decoded.append(step(decoded[-1], tap, average))
        if self.fine is not None:
            decoded.append(self.fine(decoded[-1], taps[len(self.steps)]))
        return decoded

    def _initialise(self) -> None:
        """Initialise convolutions by Kaiming; outputs start near 0 and gates near 1/2."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        gates = (step.gate for step in self.steps if step.gate is not None)
        for layer in (*self.outputs, *gates):
            weight, _ = layer.parameters()
            nn.init.normal_(weight, std=0.01)


def global_average(x: Tensor) -> Tensor:
    """Average over all cells: (B, C, h, w) -> (B, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)
