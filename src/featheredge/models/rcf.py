"""Define RCF, an edge network on VGG16: richer convolutional features (Liu et al., CVPR 2017).

Shapes: B batch, C channels, H W pixels.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.models.network import Logits, Network
from featheredge.models.vgg import VGG16, VGG16_WIDTHS, StageWidths

#: Mean of ImageNet's BGR values in 0..255, which Caffe's VGG16 subtracts.
CAFFE_MEAN = (104.00699, 116.66877, 122.67892)

#: Pixels per cell of each stage, and the offset of its cells in pixels: the overlapping pooling
#: joins two cells, which moves the centre by half a cell.
_FACTORS, _SHIFTS_PX = (1, 2, 4, 8, 8), (0, 0, 0, 0, 4)


@dataclass(frozen=True, config={"extra": "forbid"})
class RCFConfig:
    """Every width of an `RCF`; the defaults are the published network.

    Attributes:
        widths: Channels of VGG16's convolutions, by stage.
        side: Channels that each convolution is reduced to before the sum over its stage.
        batch_norm: Whether a batch norm follows each of VGG16's convolutions.
        normalisation: The normalisation that the encoder's weights were trained with: "imagenet"
            (torchvision), or "caffe" (the authors), BGR in 0..255 minus its mean.
    """

    widths: StageWidths = VGG16_WIDTHS
    side: PositiveInt = 21
    batch_norm: bool = False
    normalisation: Literal["imagenet", "caffe"] = "imagenet"


class RCF(Network):
    """Edges from all of VGG16's convolutions (section 3.1).

    Each convolution's output is reduced to a few channels. The sum over a stage gives the stage's
    map, and a 1x1 convolution fuses the five maps.
    """

    stride = 8
    config: RCFConfig

    def __init__(self, config: RCFConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RCFConfig()
        self.encoder = VGG16(config.widths, batch_norm=config.batch_norm)
        self.downs = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, config.side, 1) for width in stage)
            for stage in config.widths
        )
        self.scores = nn.ModuleList(nn.Conv2d(config.side, 1, 1) for _ in config.widths)
        self.fuse = nn.Conv2d(len(config.widths), 1, 1)
        self._initialise()

    def normalise(self, image: Tensor) -> Tensor:
        """Normalise (B, 3, H, W) RGB in [0, 1] as the encoder's weights need it."""
        if self.config.normalisation == "imagenet":
            return super().normalise(image)
        mean = image.new_tensor(CAFFE_MEAN)
        return 255 * image.flip(1) - mean[:, None, None]

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits; `sides` are the five stages' maps, coarse to fine."""
        sides = []
        for stage, features in enumerate(self.encoder(image)):
            pairs = zip(self.downs[stage].children(), features, strict=True)
            reduced: Tensor = reduce(torch.add, (down(x) for down, x in pairs))
            sides.append(_deconvolve(self.scores[stage](reduced), stage, image))
        return Logits(self.fuse(torch.cat(sides, 1)), tuple(reversed(sides)))

    def published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Network.published`; the authors' names are such as `conv1_1.weight`.

        The authors' weights need `normalisation="caffe"`.
        """
        features = self.encoder.features.named_children()
        convolutions = iter([name for name, layer in features if isinstance(layer, nn.Conv2d)])
        new_names = {"score_final": "fuse"}
        for stage, widths in enumerate(self.config.widths):
            new_names[f"score_dsn{stage + 1}"] = f"scores.{stage}"
            for index in range(len(widths)):
                published = f"conv{stage + 1}_{index + 1}"
                new_names[published] = f"encoder.features.{next(convolutions)}"
                new_names[f"{published}_down"] = f"downs.{stage}.{index}"
        renamed = {}
        for key, value in state.items():
            module, dot, parameter = key.rpartition(".")
            renamed[f"{new_names.get(module, module)}{dot}{parameter}"] = value
        return renamed

    def _initialise(self) -> None:
        """Initialise side layers with a deviation of 0.01; the fusion starts as the mean."""
        for conv in [*self.downs.modules(), *self.scores.modules(), self.fuse]:
            if isinstance(conv, nn.Conv2d):
                assert conv.bias is not None
                nn.init.normal_(conv.weight, std=0.01)
                nn.init.zeros_(conv.bias)
        nn.init.constant_(self.fuse.weight, 1 / self.fuse.in_channels)


def _deconvolve(x: Tensor, stage: int, image: Tensor) -> Tensor:
    """Resize a stage's logits to the size of the picture, (B, 1, H, W).

    This equals the published transposed convolution with a fixed bilinear kernel, then cropping.
    Outside its borders the map is 0, so it is padded with zeros.
    """
    factor, (height, width) = _FACTORS[stage], image.shape[-2:]
    framed = F.pad(x, (1, 1, 1, 1))
    large = F.interpolate(framed, scale_factor=factor, mode="bilinear", align_corners=False)
    start = factor - _SHIFTS_PX[stage]
    return large[..., start : start + height, start : start + width]
