"""Define PiDiNet, an edge network of pixel-difference convolutions (Su et al., ICCV 2021).

Written from the paper. The child names are those of the authors' checkpoints, so these load
unchanged.

Shapes: B batch, C channels, H W pixels, k kernel size.
"""

from dataclasses import replace
from functools import reduce
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.models.blocks import resize_like
from featheredge.models.network import Logits, Network
from featheredge.models.resample import max_pool

Kind = Literal["cd", "ad", "rd", "cv", "cv5"]

#: Blocks of each stage; the first block of every stage but the first halves the picture.
_DEPTHS = (3, 4, 4, 4)
_NUM_LAYERS = 1 + sum(_DEPTHS)
_DILATIONS = (5, 7, 9, 11)
_ATTENTION_WIDTH = 4


@dataclass(frozen=True, config={"extra": "forbid"})
class PiDiNetConfig:
    """Every width of a `PiDiNet`; the defaults are the published full network.

    Attributes:
        widths: Channels of the four stages.
        kinds: Kinds of the 16 spatial layers, the stem first. "cd" convolves each pixel minus the
            centre, "ad" each pixel minus its clockwise neighbour, "rd" the outer minus the inner
            ring of 5x5 pixels, "cv" the pixels of 3x3, "cv5" those of 5x5 (see `to_plain`).
        context: Channels of the dilated module before each side output; 0 leaves the module and its
            attention out, as in the published "-L" networks.
    """

    widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (60, 120, 240, 240)
    kinds: Annotated[tuple[Kind, ...], Field(min_length=_NUM_LAYERS, max_length=_NUM_LAYERS)] = (
        "cd",
        "ad",
        "rd",
        "cv",
    ) * 4
    context: NonNegativeInt = 24


#: Kind -> kernel size, and for each of the nine weights the index of the pixel that it multiplies
#: and of the pixel that is subtracted, in row order (section 3.1 and figure 2 of the paper). If
#: both are the same pixel, the weight has no effect; the published layout stores it anyway.
_DIFFERENCES: dict[Kind, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    "cd": (3, (0, 1, 2, 3, 4, 5, 6, 7, 8), (4, 4, 4, 4, 4, 4, 4, 4, 4)),
    "ad": (3, (0, 1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 5, 0, 4, 8, 3, 6, 7)),
    "rd": (5, (12, 0, 2, 4, 10, 14, 20, 22, 24), (12, 6, 7, 8, 11, 13, 16, 17, 18)),
}


class DifferenceConv(nn.Module):
    """A convolution without bias over pixel differences, computed as one over pixels.

    A difference convolution is linear in the pixels, so its nine weights define a plain kernel:
    weight i is added at its first pixel and subtracted at its second.
    """

    _signs: Tensor | None

    def __init__(self, kind: Kind, in_channels: int, out_channels: int, groups: int = 1) -> None:
        super().__init__()
        self.kind, self.groups = kind, groups
        size = 5 if kind == "cv5" else 3
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, size, size))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.register_buffer("_signs", _signs(kind), persistent=False)

    def kernel(self) -> Tensor:
        """Return the plain kernel, (out, in / groups, k, k); for "cv" and "cv5" the weight."""
        if self._signs is None:
            return self.weight
        # Multiply and sum: mixed precision would round the inputs of a matrix product.
        flat = (self.weight.flatten(2)[..., None] * self._signs).sum(2)
        size = _DIFFERENCES[self.kind][0]
        return flat.reshape(*flat.shape[:2], size, size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        kernel = self.kernel()
        return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2, groups=self.groups)


def _signs(kind: Kind) -> Tensor | None:
    """Return the sign of each weight at each pixel, (9, k * k); None for plain kinds."""
    if kind not in _DIFFERENCES:
        return None
    size, plus, minus = _DIFFERENCES[kind]
    identity = torch.eye(size * size)
    return identity[list(plus)] - identity[list(minus)]


class Block(nn.Module):
    """Depthwise difference convolution, ReLU, pointwise convolution, shortcut (section 3.2)."""

    def __init__(self, kind: Kind, in_channels: int, out_channels: int, *, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if halve else None
        self.conv1 = DifferenceConv(kind, in_channels, in_channels, in_channels)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or half of H and W, rounded down, if it halves."""
        if self.halve:
            x = max_pool(x, stride=2)
        out: Tensor = self.conv2(F.relu(self.conv1(x)))
        return out + (x if self.shortcut is None else self.shortcut(x))


class Dilation(nn.Module):
    """Compact dilation convolution module: a sum of four parallel dilated convolutions."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1)
        nn.init.zeros_(_bias(self.conv1))
        self._branches = [f"conv2_{number}" for number in range(1, len(_DILATIONS) + 1)]
        for name, dilation in zip(self._branches, _DILATIONS, strict=True):
            branch = nn.Conv2d(
                out_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
            )
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        x = self.conv1(F.relu(x))
        total: Tensor = reduce(torch.add, (self.get_submodule(name)(x) for name in self._branches))
        return total


class Attention(nn.Module):
    """Compact spatial attention module: a gate in [0, 1] for every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, _ATTENTION_WIDTH, 1)
        self.conv2 = nn.Conv2d(_ATTENTION_WIDTH, 1, 3, padding=1, bias=False)
        nn.init.zeros_(_bias(self.conv1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), gated."""
        return x * torch.sigmoid(self.conv2(self.conv1(F.relu(x))))


class Reduction(nn.Module):
    """1x1 convolution to one logit per pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)
        nn.init.zeros_(_bias(self.conv))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, H, W)."""
        logits: Tensor = self.conv(x)
        return logits


class PiDiNet(Network):
    """Edges from the fused side outputs of four stages of difference convolutions."""

    stride = 8
    config: PiDiNetConfig

    def __init__(self, config: PiDiNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or PiDiNetConfig()
        kinds = iter(config.kinds)
        channels = config.widths[0]
        self.init_block = DifferenceConv(next(kinds), 3, channels)
        for stage, (width, depth) in enumerate(zip(config.widths, _DEPTHS, strict=True)):
            for index in range(depth):
                block = Block(next(kinds), channels, width, halve=stage > 0 and index == 0)
                self.add_module(f"block{stage + 1}_{index + 1}", block)
                channels = width
        widths = [config.context] * len(_DEPTHS) if config.context else config.widths
        self.dilations = nn.ModuleList(
            Dilation(width, config.context) for width in config.widths if config.context
        )
        self.attentions = nn.ModuleList(Attention(width) for width in widths if config.context)
        self.conv_reduces = nn.ModuleList(Reduction(width) for width in widths)
        self.classifier = nn.Conv2d(len(_DEPTHS), 1, 1)
        nn.init.constant_(self.classifier.weight, 1 / len(_DEPTHS))
        nn.init.zeros_(_bias(self.classifier))

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the last map of each stage: (B, widths[i], H / 2^i, W / 2^i), rounded down."""
        x = self.init_block(image)
        maps = []
        for stage, depth in enumerate(_DEPTHS, start=1):
            for index in range(1, depth + 1):
                x = self.get_submodule(f"block{stage}_{index}")(x)
            maps.append(x)
        return maps

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) -> logits; `sides` are the four stages' maps, coarse to fine."""
        sides = []
        for stage, x in enumerate(self.features(image)):
            if self.config.context:
                x = self.attentions[stage](self.dilations[stage](x))
            sides.append(resize_like(self.conv_reduces[stage](x), image))
        return Logits(self.classifier(torch.cat(sides, 1)), tuple(reversed(sides)))

    def deployable(self) -> "PiDiNet":
        """Return the network with plain convolutions, see `to_plain`."""
        return to_plain(self)


def to_plain(network: PiDiNet) -> PiDiNet:
    """Return the same function with plain convolutions, the form to deploy.

    Layers of kind "rd" become 5x5 ("cv5") and all others 3x3 ("cv"). Train the difference form:
    it trains better, and a plain form cannot be converted back.

    Returns:
        A new network; the given one does not change.
    """
    kinds: tuple[Kind, ...] = tuple(
        "cv5" if kind in ("rd", "cv5") else "cv" for kind in network.config.kinds
    )
    plain = PiDiNet(replace(network.config, kinds=kinds))
    state = network.state_dict()
    for name, module in network.named_modules():
        if isinstance(module, DifferenceConv):
            state[f"{name}.weight"] = module.kernel().detach().clone()
    plain.load_state_dict(state)
    return plain.train(network.training).to(network.classifier.weight.device)


def _bias(conv: nn.Conv2d) -> Tensor:
    """Return the bias of a convolution that has one."""
    assert conv.bias is not None
    return conv.bias
