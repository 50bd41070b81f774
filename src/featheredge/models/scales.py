"""Going between scales: a coarse map back to the picture, predictions over several sizes of it.

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


def enlarge(x: Tensor, factor: int, picture: Tensor, offset_px: int = 0) -> Tensor:
    """Enlarge a coarse map bilinearly by its stride and cut it to the picture's size.

    Where the size is no multiple of the stride, the last cell reaches over the border. Stretching
    the map to the picture would shift every cell by up to that reach; this leaves each over the
    pixels that it was computed from.

    Args:
        x: (B, C, h, w); enlarged, it must reach over the picture.
        factor: pixels of the picture per cell.
        picture: any (..., H, W) tensor of the picture's size.
        offset_px: where the picture begins in the enlarged map, in both directions.

    Returns:
        (B, C, H, W).
    """
    height, width = picture.shape[-2:]
    if factor > 1:
        x = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    return x[..., offset_px : offset_px + height, offset_px : offset_px + width]


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
