"""The values of a map, checked before anything is counted.

Shape legend: ``H W`` pixels.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError


def unit_values(map: NDArray[np.generic]) -> NDArray[np.float64]:
    """Check a map and bring it to [0, 1]; 8-bit values are divided by 255, others kept.

    Args:
        map: (H, W), uint8, or floating point or bool in [0, 1].

    Returns:
        (H, W) in [0, 1].

    Raises:
        EvaluationError: not two-dimensional, or values that are NaN or outside [0, 1].
    """
    if map.ndim != 2 or map.size == 0:
        raise EvaluationError(f"a map is (H, W) with pixels in it; got {map.shape}")
    if map.dtype == np.uint8:
        return map.astype(np.float64) / 255
    if map.dtype != np.bool_ and not np.issubdtype(map.dtype, np.floating):
        raise EvaluationError(
            f"a map is uint8, or floating point or bool in [0, 1]; got {map.dtype}"
        )
    values = map.astype(np.float64)
    if num_nan := int(np.isnan(values).sum()):
        seen = "nothing but NaN" if num_nan == values.size else f"{num_nan} NaN values"
        raise EvaluationError(f"the map holds {seen}; expected values in [0, 1]")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise EvaluationError(
            f"the map's values run from {low:g} to {high:g}; expected [0, 1] "
            "(divide 8-bit values by 255, pass logits through a sigmoid)"
        )
    return values
