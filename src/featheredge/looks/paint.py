"""Colours of looks: the accent colour, a faded photo, and blending by opacity.

Shapes: `H W` pixels of the image.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.resize import strips

ACCENT = np.array([0, 210, 190], np.uint8)
"""The colour of lines and tints: a bright teal, rare in photos."""

_FADED = 0.55
_LIFT = 24


def fade(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a photo as dim grey, so that colours drawn on it stand out.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    grey = Image.fromarray(image).convert("L").point(lambda v: round(v * _FADED + _LIFT))
    return np.asarray(grey.convert("RGB"))


def blend(
    below: NDArray[np.uint8],
    above: NDArray[np.uint8],
    opacity: NDArray[np.float32] | np.float32,
) -> NDArray[np.uint8]:
    """Draw one picture or colour over another.

    Args:
        below: (H, W, 3) uint8 RGB.
        above: (H, W, 3) or (3,) uint8 RGB.
        opacity: (H, W) float32 in [0, 1], or one number.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = below.shape[:2]
    top = np.broadcast_to(above, below.shape)
    share = np.broadcast_to(opacity, (height, width))
    blended = np.empty_like(below)
    for rows in strips(height, width):
        base = below[rows].astype(np.float32)
        blended[rows] = np.rint(base + share[rows][..., None] * (top[rows] - base))
    return blended
