"""Define CSNet, a saliency network of about 100,000 parameters (Gao et al., ECCV 2020).

Written from the paper and the shapes of the published weights, which are not shipped.

Shapes: B batch, C channels, H W pixels.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from pydantic import NonNegativeInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.errors import ArgumentError
from featheredge.models.csf import CSFHead, HeadWidths, NormAct, head_widths
from featheredge.models.network import Logits, Network
from featheredge.models.octave import GeneralOctConv, PerScale, Scales, present
from featheredge.models.resample import crop_like, enlarge, fit

#: Channels of a block at its stage's scale and at half of that scale; 0 leaves one out.
BlockWidths: TypeAlias = tuple[NonNegativeInt, NonNegativeInt]
Stage: TypeAlias = tuple[BlockWidths, ...]

#: Blocks of each stage in the published networks.
DEPTHS = (1, 3, 4, 6, 4)

#: Index of the first stage that halves the picture; this stage and later ones are fused.
_FIRST_HALVING = 2

#: Published weights of depthwise and dilated convolutions are stored divided by 100.
_PUBLISHED_FACTOR, _SCALED = 100, re.compile(r"\.msconv\.|\.conv3x3_\d\.convs\.")

#: Replacements that turn a published tensor's name into this module's, in this order.
_RENAMES = (
    (r"^cls_layer\.", "head.classifier."),
    (r"^oct_fuse\.ms\.convs\.", "head.context."),
    (r"\.msconv\.", ".convs."),
    (r"\.bn\.", ".norm_act.0."),
    (r"\.prelu\.", ".norm_act.1."),
    (r"^oct_fuse\.fuse1x1\.", "head.merge."),
    (r"^oct_fuse\.fuse\.", "head.fuse."),
    (r"^stage(\d)\.", r"stages.\1."),
    (r"\.conv3x3_(\d)\.convs\.(\d)\.", r".depthwise\1.\2.0."),
    (r"\.conv3x3_(\d)\.bns\.(\d)\.", r".depthwise\1.\2.1.0."),
    (r"\.conv3x3_(\d)\.prelus\.(\d)\.", r".depthwise\1.\2.1.1."),
    (r"\.conv1x1\.", ".mix."),
    (r"\.(mix|fuse|merge)\.conv\.", r".\1."),
    (r"\.(mix|fuse|merge)\.bns\.(\d)\.", r".\1_act.\2.0."),
    (r"\.(mix|fuse|merge)\.prelus\.(\d)\.", r".\1_act.\2.1."),
)


@dataclass(frozen=True, config={"extra": "forbid"})
class CSNetConfig:
    """Every width of a `CSNet`.

    Attributes:
        stages: Widths of every block of the five stages. In the third and later stages the last
            block has channels at its stage's scale only, because these maps are fused.
        head: Widths of the head that fuses the last three stages.
    """

    stages: tuple[Stage, Stage, Stage, Stage, Stage]
    head: HeadWidths


def fixed_split(base: int = 20, low: float = 0.5) -> CSNetConfig:
    """Return the published widths before learning, with a fixed split between scales.

    Args:
        base: Channels of the first stage; 20 is "x1", 40 is "x2".
        low: Share of the channels at the coarser scale of every block: 0.5 is the paper's "5/5",
            0.25 is "3/1", 0 is "1/0" and 1 is "0/1".

    Raises:
        ArgumentError: `low` is not in [0, 1].
    """
    stages, sides = list(split_stages(base, low)), []
    for stage in range(_FIRST_HALVING, len(stages)):
        channels = sum(stages[stage][-1])
        stages[stage] = (*stages[stage][:-1], (channels, 0))
        sides.append(channels)
    one, two, three, four, five = stages
    return CSNetConfig((one, two, three, four, five), head_widths([side // 3 for side in sides]))


def split_stages(base: int, low: float) -> tuple[Stage, Stage, Stage, Stage, Stage]:
    """Return the widths of all blocks with a fixed split; for the arguments see `fixed_split`."""
    if not 0 <= low <= 1:
        raise ArgumentError(f"low is {low}; give a share of channels from 0 to 1")
    one, two, three, four, five = (
        ((base * factor - int(base * factor * low), int(base * factor * low)),) * depth
        for depth, factor in zip(DEPTHS, (1, 1, 2, 4, 4), strict=True)
    )
    return one, two, three, four, five


#: The published networks with learned widths, CSNet-L of 94 k and 141 k parameters.
CSNET_L_X1 = CSNetConfig(
    (
        ((8, 10),),
        ((9, 10), (10, 10), (10, 10)),
        ((19, 13), (19, 17), (20, 12), (34, 0)),
        ((24, 21), (26, 27), (22, 18), (19, 18), (23, 18), (38, 0)),
        ((18, 29), (25, 24), (26, 20), (50, 0)),
    ),
    HeadWidths((12, 24, 24), ((1, 2, 2, 2, 4), (1, 4, 4, 4, 5), (2, 2, 4, 5, 4)), 60),
)
CSNET_L_X2 = CSNetConfig(
    (
        ((13, 10),),
        ((13, 12), (18, 11), (18, 12)),
        ((28, 21), (34, 22), (31, 29), (51, 0)),
        ((23, 26), (27, 26), (25, 20), (17, 21), (19, 25), (38, 0)),
        ((18, 31), (31, 27), (26, 44), (64, 0)),
    ),
    HeadWidths((17, 38, 32), ((2, 1, 2, 2, 1), (0, 6, 6, 7, 5), (0, 1, 3, 7, 7)), 79),
)


class ILBlock(nn.Module):
    """In-layer multi-scale block: gOctConv, then two depthwise 3x3 layers on each scale.

    Every layer ends in batch norm and PReLU; there is no shortcut (section 3.2).
    """

    def __init__(
        self, in_widths: Scales, widths: BlockWidths, kernel: int, stride: Literal[1, 2]
    ) -> None:
        super().__init__()
        channels = [width for _, width in present(widths)]
        self.mix = GeneralOctConv(in_widths, widths, kernel, stride=stride)
        self.mix_act = PerScale(NormAct(width) for width in channels)
        self.depthwise1 = PerScale(_depthwise(width) for width in channels)
        self.depthwise2 = PerScale(_depthwise(width) for width in channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """One map per input scale -> one per output scale, half as large with stride 2."""
        mixed: list[Tensor] = self.depthwise2(self.depthwise1(self.mix_act(self.mix(maps))))
        return mixed


def il_stages(stages: Sequence[Stage]) -> nn.ModuleList:
    """Return the five stages of ILBlocks, at strides 1, 1, 2, 4 and 8 of their finer scale."""
    widths: Scales = (3,)
    modules = nn.ModuleList()
    for number, stage in enumerate(stages):
        blocks = nn.Sequential()
        for index, block in enumerate(stage):
            stride: Literal[1, 2] = 2 if number >= _FIRST_HALVING and index == 0 else 1
            # Only layers that take the picture, or that halve their input, mix with 3x3.
            kernel = 3 if stride == 2 or len(widths) == 1 else 1
            blocks.append(ILBlock(widths, block, kernel, stride))
            widths = block
        modules.append(blocks)
    return modules


class CSNet(Network):
    """Five stages of ILBlocks at strides 1, 1, 2, 4 and 8; the last three are fused."""

    stride = 16
    config: CSNetConfig

    def __init__(self, config: CSNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CSNET_L_X1
        _check(config)
        self.stages = il_stages(config.stages)
        sides = [stage[-1][0] for stage in config.stages[_FIRST_HALVING:]]
        self.head = CSFHead(sides, config.head, "max")

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits without `sides`."""
        maps, fused = [fit(image, self.stride)], []
        for number, stage in enumerate(self.stages):
            maps = stage(maps)
            if number >= _FIRST_HALVING:
                fused += maps
        return Logits(crop_like(enlarge(self.head(fused), 2), image), ())

    def published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Network.published`; the authors' names are such as `stage0.0.conv1x1.conv.weight`.

        A published octave convolution has one kernel for all scales, which `GeneralOctConv.split`
        splits. The authors' code multiplies depthwise and dilated weights by 100 before every use;
        here they are multiplied once, on loading.
        """
        names = self.state_dict().keys()
        mixes = {n: m for n, m in self.named_modules() if isinstance(m, GeneralOctConv)}
        renamed: dict[str, Tensor] = {}
        for key, value in state.items():
            name = key if key in names else _renamed(key)
            module = name.removesuffix(".weight")
            if module in mixes:
                kernels = mixes[module].split(value)
                renamed |= {f"{module}.{path}": kernel for path, kernel in kernels.items()}
            else:
                renamed[name] = _PUBLISHED_FACTOR * value if _SCALED.search(key) else value
        return renamed


def _renamed(name: str) -> str:
    """Return the name in this module of a published tensor."""
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _check(config: CSNetConfig) -> None:
    """Refuse stages without blocks, and fused stages that do not end in one scale."""
    if not all(config.stages):
        raise ArgumentError(f"every stage of a CSNet needs at least one block; got {config.stages}")
    for stage in config.stages[_FIRST_HALVING:]:
        if stage[-1][0] == 0 or stage[-1][1] != 0:
            raise ArgumentError(
                "the last block of a fused stage must have channels at its first scale only, such "
                f"as (50, 0); got {stage[-1]} in {stage}"
            )


def _depthwise(channels: int) -> nn.Sequential:
    """Return a 3x3 depthwise convolution, norm and PReLU."""
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return nn.Sequential(conv, NormAct(channels))
