"""Check of the values of a map before it is scored.

Shapes: `H W` pixels.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError


def unit_values(map: NDArray[np.generic]) -> NDArray[np.float64]:
    """Check a map and convert it to float64; uint8 values are divided by 255.

    Args:
        map: (H, W), uint8, or floating point or bool in [0, 1].

    Returns:
        (H, W) float64 in [0, 1].

    Raises:
        EvaluationError: The map is not two-dimensional, or values are NaN or outside [0, 1].
    """
    if map.ndim != 2 or map.size == 0:
        raise EvaluationError(f"the map has shape {map.shape}; expected (H, W), not empty")
    if map.dtype == np.uint8:
        return map.astype(np.float64) / 255
    if map.dtype != np.bool_ and not np.issubdtype(map.dtype, np.floating):
        raise EvaluationError(
            f"the map has dtype {map.dtype}; expected uint8, or floating point or bool in [0, 1]"
        )
    values = map.astype(np.float64)
    if num_nan := int(np.isnan(values).sum()):
        seen = "only NaN" if num_nan == values.size else f"{num_nan} NaN values"
        raise EvaluationError(f"the map has {seen}; expected values in [0, 1]")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise EvaluationError(
            f"the map has values from {low:g} to {high:g}; expected [0, 1]: divide 8-bit values "
            "by 255, apply a sigmoid to logits"
        )
    return values
