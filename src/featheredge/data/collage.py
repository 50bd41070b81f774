"""Collages: the salient object of one picture pasted into another, to train on several objects.

Pictures in salient-object data sets mostly show one large object in the centre, and a network
trained only on them expects this. Follows Ghiasi et al., "Simple Copy-Paste is a Strong Data
Augmentation Method for Instance Segmentation" (CVPR 2021).

Shapes: `C` channels of a label, the first is the mask; `H W` pixels of a picture; `P` pixels of a
side of a square crop.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from featheredge.data.augment import Draw

#: Minimum and maximum longer side of the pasted object, as a share of the crop's side.
_SIZES = (0.2, 0.6)


def paste(
    crop: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], draw: Draw
) -> tuple[Tensor, Tensor]:
    """Paste the object of `other` into `crop` at a random size and position, possibly mirrored.

    Args:
        crop: Image (3, P, P) and label (C, P, P), float in [0, 1].
        other: Image (3, H, W) and label (C, H, W), float in [0, 1]. If its mask is empty, the
            crop is returned unchanged.
        draw: Source of random numbers.

    Returns:
        The new crop. Its label is the maximum of both labels.
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
    """Return the rows and columns where an (H, W) mask is above 1/2; None if it never is."""
    inside = mask > 0.5
    spans = [inside.any(axis).nonzero().flatten() for axis in (1, 0)]
    if not len(spans[0]):
        return None
    rows, columns = (slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    return rows, columns
