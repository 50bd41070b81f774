"""Average a network's predictions over several sizes of a picture.

Shapes: B batch, H W pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from featheredge.models.blocks import resize_like
from featheredge.models.network import Network
from featheredge.resize import check_scales, scaled

#: The scales that RCF and later papers average for multi-scale scores.
MULTI_SCALE = (0.5, 1.0, 1.5)


def predict_multiscale(
    network: Network, image: Tensor, scales: Sequence[float] = MULTI_SCALE
) -> Tensor:
    """Average a network's maps over resized copies of the picture (RCF, section 3.4).

    Args:
        network: A network in evaluation mode; its normalisation is applied.
        image: (B, 3, H, W) float RGB in [0, 1].
        scales: Factors on H and W; sizes are rounded to at least one pixel.

    Returns:
        (B, 1, H, W) float probabilities in [0, 1]: the mean of the final maps after the sigmoid,
        each resized back bilinearly.

    Raises:
        ArgumentError: `scales` is empty, or a scale is not positive.
    """
    check_scales(scales)
    height, width = image.shape[-2:]
    maps = []
    for scale in scales:
        size = scaled(height, width, scale)
        copy = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
        maps.append(resize_like(network(network.normalise(copy)).final.sigmoid(), image))
    return torch.stack(maps).mean(0)
