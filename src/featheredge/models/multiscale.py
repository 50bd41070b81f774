"""Going between scales: pooling that fits any size, predictions over several sizes of a picture.

Shapes: B batch, C channels, H W pixels of the picture, h w cells of a coarse map.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from featheredge.errors import ArgumentError
from featheredge.models.blocks import resize_like
from featheredge.models.network import Network

#: The sizes that RCF and its successors average for their multi-scale scores.
MULTI_SCALE = (0.5, 1.0, 1.5)


def max_pool(x: Tensor, stride: int) -> Tensor:
    """2x2 max pooling without padding, but for a single row or column, which stays one.

    Args:
        x: (B, C, h, w), h and w from 1 up.
        stride: 2 halves, rounding down; 1 takes one row and one column away.

    Returns:
        (B, C, max(1, h // 2), max(1, w // 2)), or (B, C, max(1, h - 1), max(1, w - 1)).
    """
    height, width = x.shape[-2:]
    # `sym_max` is `max` that an export with sizes left open can follow.
    right, down = (torch.sym_max(0, 2 - n) for n in (width, height))  # type: ignore[no-untyped-call]
    return F.max_pool2d(F.pad(x, (0, right, 0, down), value=float("-inf")), 2, stride)


def predict_multiscale(
    network: Network, image: Tensor, scales: Sequence[float] = MULTI_SCALE
) -> Tensor:
    """Average a network's maps over resized copies of the picture (RCF, section 3.4).

    Args:
        network: in evaluation mode; its own normalisation is applied.
        image: (B, 3, H, W) RGB in [0, 1].
        scales: factors on H and W; the sizes are rounded, and are at least one pixel.

    Returns:
        (B, 1, H, W) probabilities in [0, 1]: the mean of the final maps after the sigmoid, each
        resized back bilinearly.

    Raises:
        ArgumentError: there is no scale, or one is not positive.
    """
    if not scales or min(scales) <= 0:
        raise ArgumentError(f"scales are factors above 0, at least one; got {tuple(scales)}")
    height, width = image.shape[-2:]
    maps = []
    for scale in scales:
        size = [max(1, round(side * scale)) for side in (height, width)]
        copy = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        maps.append(resize_like(network(network.normalise(copy)).final.sigmoid(), image))
    return torch.stack(maps).mean(0)
