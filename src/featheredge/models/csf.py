"""Define CSF, a saliency network that fuses the stages of a ResNet.

Gao et al., ECCV 2020, section 3.3. The head takes one map from every stage of an encoder. A
generalised octave convolution exchanges information between them, dilated convolutions enlarge
their receptive fields, and another octave convolution merges them. CSNet has the same head.

Shapes: B batch, H W pixels, C_i h_i w_i channels and cells of stage i, each half of the one before.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import torch
from pydantic import NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.errors import ArgumentError
from featheredge.models.blocks import PReLU
from featheredge.models.network import Logits, Network
from featheredge.models.octave import GeneralOctConv, PerScale, Scales
from featheredge.models.resample import Down, crop_like, enlarge, fit
from featheredge.models.resnet import RES2NET50, ResNet, ResNetConfig

DILATIONS = (1, 2, 4, 8, 16)

#: Channels of one scale's convolutions, by dilation; 0 leaves one out.
DilatedWidths: TypeAlias = tuple[
    NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt
]
Norm: TypeAlias = Callable[[int], nn.Module]


@dataclass(frozen=True, config={"extra": "forbid"})
class HeadWidths:
    """Every width of a `CSFHead`.

    Attributes:
        fuse: Channels of every scale after the first octave convolution.
        dilated: Channels of every scale's convolutions with dilations 1, 2, 4, 8 and 16.
        merge: Channels of the merged map.
    """

    fuse: Scales
    dilated: tuple[DilatedWidths, ...]
    merge: PositiveInt


def head_widths(fuse: Sequence[int]) -> HeadWidths:
    """Return the widths of the published head, which follow from those of its first layer."""
    dilated = tuple((width // 5,) * 4 + (width - width // 5 * 4,) for width in fuse)
    return HeadWidths(tuple(fuse), dilated, sum(fuse))


class NormAct(nn.Sequential):
    """Norm, then a PReLU with a slope per channel."""

    def __init__(self, channels: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__(norm(channels), PReLU(channels))


class MultiScale(nn.Module):
    """Concatenated 3x3 convolutions of several dilations, norm, PReLU."""

    def __init__(self, in_channels: int, widths: DilatedWidths, norm: Norm) -> None:
        super().__init__()
        self.convs = nn.ModuleDict(
            {
                str(index): nn.Conv2d(in_channels, width, 3, padding=d, dilation=d, bias=False)
                for index, (d, width) in enumerate(zip(DILATIONS, widths, strict=True))
                if width
            }
        )
        self.norm_act = NormAct(sum(widths), norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, sum of widths, h, w)."""
        joined: Tensor = self.norm_act(torch.cat([conv(x) for conv in self.convs.values()], 1))
        return joined


class CSFHead(nn.Module):
    """One map per stage -> logits at the size of the finest.

    Args:
        in_widths: Channels of the stages, fine to coarse.
        widths: Widths of the head; `fuse` and `dilated` have one entry per stage.
        down: How maps are resized to a coarser scale.
        norm: Makes a norm layer for a number of channels.

    Raises:
        ArgumentError: The numbers of scales differ, or a scale has no channels in some layer.
    """

    def __init__(
        self,
        in_widths: Sequence[int],
        widths: HeadWidths,
        down: Down,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        dilated = [sum(scale) for scale in widths.dilated]
        if not len(in_widths) == len(widths.fuse) == len(dilated) or not all(
            (*in_widths, *widths.fuse, *dilated)
        ):
            raise ArgumentError(
                f"a fusion head needs channels in every layer for each of {len(in_widths)} stages; "
                f"got {tuple(in_widths)}, fuse {widths.fuse}, dilated {widths.dilated}"
            )
        self.fuse = GeneralOctConv(in_widths, widths.fuse, down=down)
        self.fuse_act = PerScale(NormAct(width, norm) for width in widths.fuse)
        self.context = PerScale(
            MultiScale(*pair, norm) for pair in zip(widths.fuse, widths.dilated, strict=True)
        )
        self.merge = GeneralOctConv(dilated, (widths.merge,), down=down)
        self.merge_act = PerScale([NormAct(widths.merge, norm)])
        self.classifier = nn.Conv2d(widths.merge, 1, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """One (B, C_i, h_i, w_i) map per stage -> (B, 1, h_0, w_0) logits."""
        maps = self.context(self.fuse_act(self.fuse(maps)))
        (merged,) = self.merge_act(self.merge(maps))
        logits: Tensor = self.classifier(merged)
        return logits


@dataclass(frozen=True, config={"extra": "forbid"})
class CSFConfig:
    """Every width of a `CSF`; the defaults are the published network on Res2Net-50.

    Attributes:
        encoder: Widths of the ResNet whose four stages are fused.
        head: Widths of the fusion head.
        norm_groups: Groups of the head's group norms, which do not depend on the batch; 0 means
            batch norm, which can be folded into the convolutions after training.
    """

    encoder: ResNetConfig = RES2NET50
    head: HeadWidths = head_widths((128, 256, 512, 512))
    norm_groups: NonNegativeInt = 32


class CSF(Network):
    """Saliency from the fused four stages of a ResNet."""

    stride = 32
    config: CSFConfig

    def __init__(self, config: CSFConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CSFConfig()
        self.encoder = ResNet(config.encoder)
        groups = config.norm_groups
        norm: Norm = partial(nn.GroupNorm, groups) if groups else nn.BatchNorm2d
        self.head = CSFHead(config.encoder.widths, config.head, "bilinear", norm)

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits without `sides`."""
        logits = self.head(self.encoder(fit(image, self.stride)))
        return Logits(crop_like(enlarge(logits, 4), image), ())
