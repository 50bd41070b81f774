"""Define the feature extractor of CSNet alone: stages of ILBlocks and a classifier, without fusion.

It shows what the split of channels between two scales costs and buys, apart from the head that
fuses stages (Gao et al., "Highly Efficient Salient Object Detection with 100K Parameters", ECCV
2020, section 4.3).

Shapes: B batch, H W pixels.
"""

from pydantic.dataclasses import dataclass
from torch import Tensor

from featheredge.errors import ArgumentError
from featheredge.models.csnet import Stage, il_stages, split_stages
from featheredge.models.network import Logits, Network
from featheredge.models.octave import GeneralOctConv
from featheredge.models.resample import crop_like, enlarge, fit

_FINEST = 8  # stride of the last stage's finer scale


@dataclass(frozen=True, config={"extra": "forbid"})
class CSNetExtractorConfig:
    """Every width of a `CSNetExtractor`; the defaults are the paper's "5/5" with 20 channels.

    Attributes:
        stages: Widths of every block of the five stages, at the stage's scale and at half of it.
    """

    stages: tuple[Stage, Stage, Stage, Stage, Stage] = split_stages(20, 0.5)


class CSNetExtractor(Network):
    """Five stages of ILBlocks; one layer predicts from all scales of the last stage."""

    stride = 16
    config: CSNetExtractorConfig

    def __init__(self, config: CSNetExtractorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CSNetExtractorConfig()
        if not all(config.stages):
            raise ArgumentError(f"every stage needs at least one block; got {config.stages}")
        self.stages = il_stages(config.stages)
        last = config.stages[-1][-1]
        self.classifier = GeneralOctConv(last, (1,), bias=True)

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits without `sides`."""
        maps = [fit(image, self.stride)]
        for stage in self.stages:
            maps = stage(maps)
        (logits,) = self.classifier(maps)
        return Logits(crop_like(enlarge(logits, _FINEST), image), ())
