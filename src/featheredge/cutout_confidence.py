"""How sure a network is of a cut-out: one number per picture, to sort a batch by.

Shapes: `H W` pixels of the map.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError
from featheredge.pixel_values import check_unit


def confidence(map: NDArray[np.floating], threshold: float = 0.5) -> float:
    """Return how well a cut-out fits the object, by the network's own probabilities.

    Each pixel has the probability p of belonging to the object. A cut-out C keeps the pixels with
    p of at least the threshold. The result is its expected intersection with the object over the
    expected union: sum of p in C / (area of C + sum of p outside C). A sharp map gives nearly 1; a
    map with grey regions, inside or outside, gives less. docs/looks.md says what share of
    cut-outs a person keeps, above and below 0.9.

    Args:
        map: (H, W) floating point in [0, 1], the output of a saliency network.
        threshold: Map value of the object's border, above 0 and at most 1.

    Returns:
        A number in [0, 1]; 0 if no pixel reaches the threshold.

    Raises:
        ArgumentError: The threshold is out of range.
        ImageError: The map has NaN or values outside [0, 1].

    Example:
        >>> import featheredge as fe
        >>> map = fe.saliency("examples/cat.jpg")
        >>> 0 < fe.confidence(map) < 1
        True
    """
    if not 0 < threshold <= 1:
        raise ArgumentError(f"threshold is {threshold}; expected above 0 and at most 1")
    check_unit(map, "the map")
    inside = map >= threshold
    area = int(np.count_nonzero(inside))
    intersection = float(map.sum(where=inside, dtype=np.float64))
    outside = float(map.sum(dtype=np.float64)) - intersection
    return intersection / (area + outside) if area else 0.0
