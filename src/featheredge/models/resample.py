"""Resize maps between scales without moving the centres of their cells.

Shapes: B batch, C channels, h w cells of a map.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Down = Literal["max", "average", "bilinear"]
Up = Literal["bilinear", "nearest"]


def shrink(x: Tensor, factor: int, mode: Down) -> Tensor:
    """Resize a map to a coarser scale.

    Pooling keeps the centres of cells in place. A strided convolution with an odd kernel would move
    the map by half a cell.

    Args:
        x: (B, C, h, w) float.
        factor: Number of cells along each axis that become one.
        mode: "max" and "average" pool; "bilinear" interpolates between the middle cells.

    Returns:
        (B, C, h / factor, w / factor), rounded up: first `fit` repeats the last row and column.
    """
    if factor == 1:
        return x
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        x = fit(x, factor)
    if mode == "bilinear":
        return F.interpolate(x, scale_factor=1 / factor, mode=mode, align_corners=False)
    return F.max_pool2d(x, factor) if mode == "max" else F.avg_pool2d(x, factor)


def enlarge(x: Tensor, factor: int, mode: Up = "bilinear") -> Tensor:
    """Resize a map to a finer scale: (B, C, h, w) -> (B, C, factor h, factor w)."""
    if factor == 1:
        return x
    align_corners = False if mode == "bilinear" else None
    return F.interpolate(x, scale_factor=factor, mode=mode, align_corners=align_corners)


def fit(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of `multiple`.

    If a network fits its picture to its stride, all its scales divide evenly. Then `shrink` pads
    nothing and `crop_like` crops nothing, and an exported graph has no such operations.
    """
    height, width = x.shape[-2:]
    # Written so that an export with dynamic sizes can prove that the sums are multiples.
    bottom = (height + multiple - 1) // multiple * multiple - height
    right = (width + multiple - 1) // multiple * multiple - width
    return F.pad(x, (0, right, 0, bottom), mode="replicate")


def crop_like(x: Tensor, reference: Tensor) -> Tensor:
    """Crop the rows and columns that `fit` has added, to the size of `reference`."""
    height, width = reference.shape[-2:]
    return x if x.shape[-2:] == reference.shape[-2:] else x[..., :height, :width]


def max_pool(x: Tensor, stride: int) -> Tensor:
    """Apply 2x2 max pooling without padding; a single row or column is kept.

    Args:
        x: (B, C, h, w) float; h and w are at least 1.
        stride: 2 halves the size, rounded down; 1 removes one row and one column.

    Returns:
        (B, C, max(1, h // 2), max(1, w // 2)), or (B, C, max(1, h - 1), max(1, w - 1)).
    """
    height, width = x.shape[-2:]
    # `sym_max` is a `max` that an export with dynamic sizes can trace.
    right, down = (torch.sym_max(0, 2 - n) for n in (width, height))  # type: ignore[no-untyped-call]
    return F.max_pool2d(F.pad(x, (0, right, 0, down), value=float("-inf")), 2, stride)
