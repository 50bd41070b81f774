"""Opacities from saliency maps: a linear ramp around the threshold.

Shapes: `H W` pixels of the map.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError
from featheredge.pixel_values import check_unit
from featheredge.png import quantise

SOFTNESS = 0.2
"""Width of the ramp, in map values."""


def soft_mask(
    map: NDArray[np.float32], threshold: float = 0.5, softness: float = SOFTNESS
) -> NDArray[np.float32]:
    """Convert a map to opacities: a linear ramp from 0 to 1 around the threshold.

    Args:
        map: (H, W) float32 in [0, 1].
        threshold: Middle of the ramp, above 0 and at most 1.
        softness: Width of the ramp, in [0, 1]. 0 gives a hard border; 1 with threshold 0.5 gives
            the map itself. The ramp ends within [0, 1], so that 0 stays 0 and 1 stays 1.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ArgumentError: A number is out of range.
        ImageError: The map has NaN or values outside [0, 1].

    Example:
        >>> import numpy as np
        >>> import featheredge as fe
        >>> fe.soft_mask(np.array([[0.3, 0.5, 0.7]], np.float32)).round(2)
        array([[0. , 0.5, 1. ]], dtype=float32)
    """
    ramp(threshold, softness)  # refuses them before the map
    check_unit(map, "the map")
    return opacities(map, threshold, softness)


def opacities(map: NDArray[np.float32], threshold: float, softness: float) -> NDArray[np.float32]:
    """Convert a map that is known to be in [0, 1], as `soft_mask` does."""
    low, high = ramp(threshold, softness)
    if high - low < 1e-6:
        return (map >= threshold).astype(np.float32)
    mask = np.subtract(map, low, dtype=np.float32)
    mask /= high - low  # float32 like the map: in float64, 1 would not stay 1 on a steep ramp
    return np.clip(mask, 0, 1, out=mask)


def border_level(threshold: float) -> int:
    """Return the opacity, in 8 bits, of a map value equal to the threshold."""
    border = np.array([[threshold]], np.float32)
    return int(quantise(soft_mask(border, threshold))[0, 0])


def ramp(threshold: float, softness: float) -> tuple[np.float32, np.float32]:
    """Return the map values at which opacity leaves 0 and reaches 1.

    Raises:
        ArgumentError: A number is out of range.
    """
    if not (0 < threshold <= 1 and 0 <= softness <= 1):
        raise ArgumentError(
            f"threshold is {threshold} and softness is {softness}; expected a threshold above 0 "
            "and at most 1, and a softness from 0 to 1"
        )
    low, high = max(threshold - softness / 2, 0), min(threshold + softness / 2, 1)
    return np.float32(low), np.float32(high)
