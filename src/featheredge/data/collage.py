"""One picture's salient object put onto another picture, so that networks meet several at once.

Data sets of salient objects mostly show one, large and in the middle; a network that learns from
nothing else expects nothing else. After the copy-paste of Ghiasi et al., "Simple Copy-Paste is a
Strong Data Augmentation Method for Instance Segmentation" (CVPR 2021).

Shapes: C channels of a label, of which the first is the mask, H W pixels of a picture, P pixels of
a square crop.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from featheredge.data.augment import Draw

#: Longest side of what is pasted, as a share of the crop's.
_SIZES = (0.2, 0.6)


def paste(
    crop: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], draw: Draw
) -> tuple[Tensor, Tensor]:
    """Put what is inside the mask of `other` somewhere into `crop`, smaller, perhaps mirrored.

    Args:
        crop: Image (3, P, P) and label (C, P, P), float in [0, 1].
        other: Image (3, H, W) and label (C, H, W) likewise; an empty mask changes nothing.
        draw: Decides size and place.

    Returns:
        The crop with it: there, the label is the larger of both.
    """
    box = _bounding_box(other[1][0])
    if box is None:
        return crop
    image, label = crop
    side = image.shape[-1]
    longest = draw.uniform(*_SIZES) * side
    part = torch.cat(other)[(..., *box)]
    factor = longest / max(part.shape[-2:])
    height, width = (max(1, round(size * factor)) for size in part.shape[-2:])
    part = F.interpolate(part[None], (height, width), mode="bilinear", antialias=True)[0]
    if draw.choice(2):
        part = part.flip(-1)
    top, left = draw.choice(side - height + 1), draw.choice(side - width + 1)
    where = (..., slice(top, top + height), slice(left, left + width))
    image, label = image.clone(), label.clone()
    image[where] = image[where].lerp(part[:3], part[3])
    label[where] = label[where].maximum(part[3:])
    return image.clamp(0, 1), label


def _bounding_box(mask: Tensor) -> tuple[slice, slice] | None:
    """The rows and columns that an (H, W) mask reaches above 1/2; None where it never does."""
    inside = mask > 0.5
    spans = [inside.any(axis).nonzero().flatten() for axis in (1, 0)]
    if not len(spans[0]):
        return None
    rows, columns = (slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    return rows, columns
