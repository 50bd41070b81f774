"""Augmentation: random geometry for image and label together, random colours for the image.

All geometry (flip, quarter turn, free rotation, scale, position) is one affine map from crop to
picture, so that each pixel is resampled once. All random numbers come from a seed of the caller:
the same seed gives the same crop, for any number of loader processes.

Shapes: `C` channels; `H W` pixels of the picture; `P` pixels of a side of the square crop.
"""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

Share = Annotated[float, Field(ge=0, lt=1)]


#: Rows of RGB -> YIQ (NTSC, 1953); the first is the luma of ITU-R BT.601.
_YIQ = torch.tensor(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]],
    dtype=torch.float64,
)
_LUMA = _YIQ[:1]


@dataclass(frozen=True, config={"extra": "forbid"})
class Augmentation:
    """The settings of augmentation.

    Attributes:
        crop_px: Side P of the square crop.
        whole: Stretch the whole picture to the square first, as networks with an input size see
            it; otherwise pixels keep their size. The default is true for saliency.
        flip: Mirror left-right with probability 1/2.
        quarter_turns: Turn by 0, 90, 180 or 270 degrees, equally likely.
        rotation_deg: Free rotation, uniform in [-rotation_deg, rotation_deg].
        scale: Smallest and largest magnification, drawn log-uniformly.
        brightness: Added, uniform in [-brightness, brightness]; image range is [0, 1].
        contrast: Factor, uniform in [1 - contrast, 1 + contrast].
        saturation: Factor, uniform in [1 - saturation, 1 + saturation].
        hue_rad: Shift of the hue angle, uniform in [-hue_rad, hue_rad].
        collage: Share of crops that get another picture's object pasted in; for saliency only.
    """

    crop_px: PositiveInt = 256
    whole: bool = False
    flip: bool = True
    quarter_turns: bool = False
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    hue_rad: Annotated[float, Field(ge=0, le=math.pi)] = 0.0
    collage: Annotated[float, Field(ge=0, le=1)] = 0.0


class Draw:
    """Uniform random numbers from one seed."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        """Draw a number in [low, high)."""
        return low + (high - low) * torch.rand((), generator=self._generator).item()

    def choice(self, options: int) -> int:
        """Draw one of 0 ... options - 1."""
        return int(torch.randint(options, (), generator=self._generator).item())


def augment(
    image: Tensor, label: Tensor, settings: Augmentation, seed: int
) -> tuple[Tensor, Tensor]:
    """Return one augmented crop.

    Args:
        image: (3, H, W) float in [0, 1], RGB.
        label: (C, H, W) float in [0, 1].
        settings: The ranges of the random numbers.
        seed: Seed of all random numbers.

    Returns:
        Image (3, P, P) float in [0, 1] and label (C, P, P) float in [0, 1]. Outside the picture,
        both are padded by reflection.
    """
    draw = Draw(seed)
    height, width = image.shape[-2:]
    matrix = _crop_to_picture(draw, settings, height, width)
    pair = _resample(torch.cat([image, label]), matrix, settings.crop_px)
    return recolour(pair[:3], colour_matrix(draw, settings)), pair[3:]


def _resample(picture: Tensor, matrix: Tensor, side: int) -> Tensor:
    """Sample a crop bilinearly, with padding by reflection.

    Args:
        picture: (C, H, W) float.
        matrix: (3, 3) float64, maps crop pixel (x, y, 1) to picture pixel.
        side: P.

    Returns:
        (C, P, P) float.
    """
    height, width = picture.shape[-2:]
    x = torch.arange(side, dtype=torch.float64)
    axes = []
    for (along, down, offset), size in zip(matrix[:2], (width, height), strict=True):
        scale = 2 / max(size - 1, 1)  # grid_sample counts from -1 at the first pixel to 1
        column = ((down * x + offset) * scale - 1).float()
        axes.append(column[:, None] + (along * scale * x).float())
    grid = torch.stack(axes, -1)[None]
    crop: Tensor = F.grid_sample(
        picture[None], grid, padding_mode="reflection", align_corners=True
    ).squeeze(0)
    return crop


def _crop_to_picture(draw: Draw, settings: Augmentation, height: int, width: int) -> Tensor:
    """Return the (3, 3) float64 affine matrix from crop pixel (x, y, 1) to picture pixel."""
    low, high = settings.scale
    scale = math.exp(draw.uniform(math.log(low), math.log(high)))
    mirror = -1.0 if settings.flip and draw.choice(2) else 1.0
    turn = draw.choice(4) if settings.quarter_turns else 0
    free = math.radians(draw.uniform(-settings.rotation_deg, settings.rotation_deg))
    angle = turn * math.pi / 2 + free
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    linear = torch.tensor([[mirror * cos, -mirror * sin], [sin, cos]], dtype=torch.float64)
    if settings.whole:
        squeeze = torch.tensor([width, height], dtype=torch.float64) / settings.crop_px
        linear = squeeze[:, None] * linear
    half = (settings.crop_px - 1) / 2
    reach = linear.abs().sum(1) * half  # half the extent of the crop in the picture, x and y
    centre = [_centre(draw, size, r) for size, r in ((width, reach[0]), (height, reach[1]))]
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[:2, :2] = linear
    matrix[:2, 2] = torch.tensor(centre, dtype=torch.float64) - linear @ torch.full_like(
        matrix[0, :2], half
    )
    return matrix


def _centre(draw: Draw, size: int, reach: Tensor) -> float:
    """Draw the crop's centre on one axis; the picture's centre if the crop does not fit inside.

    Offsets are whole pixels, so that a crop without rotation and scaling is not resampled.
    """
    first, last = reach.item(), size - 1 - reach.item()
    if last <= first:
        return (size - 1) / 2
    return first + math.floor(draw.uniform(0, last - first + 1 - 1e-9))


def colour_matrix(draw: Draw, settings: Augmentation) -> Tensor:
    """Draw brightness, contrast, saturation and hue as one affine map of colours, (3, 4) float32.

    Contrast is relative to mid-grey, saturation to the luma of ITU-R BT.601. Hue rotates the chroma
    plane of YIQ, which keeps the luma. Colours are clipped once, at the end.
    """
    matrix = torch.eye(3, dtype=torch.float64)
    if settings.hue_rad:
        matrix = _turned_hue(draw.uniform(-settings.hue_rad, settings.hue_rad))
    if settings.saturation:
        factor = 1 + draw.uniform(-settings.saturation, settings.saturation)
        matrix = (factor * torch.eye(3) + (1 - factor) * _LUMA.expand(3, 3)) @ matrix
    factor = 1 + draw.uniform(-settings.contrast, settings.contrast)
    added = draw.uniform(-settings.brightness, settings.brightness)
    offset = torch.full((3, 1), (1 - factor) / 2 + added, dtype=torch.float64)
    return torch.cat([factor * matrix, offset], 1).float()


def recolour(image: Tensor, matrix: Tensor) -> Tensor:
    """Apply a (3, 4) colour matrix to a (3, P, P) image in [0, 1] and clip to [0, 1]."""
    mapped = torch.addmm(matrix[:, 3:], matrix[:, :3], image.flatten(1)).clamp_(0, 1)
    return mapped.view_as(image)


def _turned_hue(angle: float) -> Tensor:
    """Return the (3, 3) matrix that rotates the chroma plane of YIQ by `angle` radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], dtype=torch.float64)
    turned: Tensor = torch.linalg.inv(_YIQ) @ turn @ _YIQ
    return turned
