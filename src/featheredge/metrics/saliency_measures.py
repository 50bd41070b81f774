"""S-measure and weighted F-measure of one saliency map.

Shapes: `H W` pixels; `L` the 256 levels of an 8-bit map; `D` squared distances, from 0.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray

from featheredge.metrics.saliency_protocol import Scale

EPS = float(np.finfo(np.float64).eps)
_ALPHA = 0.5  # S-measure: weight of the object score against the region score
_SMOOTHING_PX = 3  # weighted F: radius of the Gaussian kernel, which has 7x7 pixels
_SMOOTHING_SIGMA_PX = 5.0
# Weighted F: the weight of a false alarm rises from 1 at the mask to 2 far away; at this distance
# it is 1.5.
_HALF_WEIGHT_PX = 5.0
_FAR_PX = 256  # beyond this distance the weight is exactly 2 in float64


def s_measure(histograms: NDArray[np.int64], scale: Scale) -> float:
    """S-measure: Fan et al., "Structure-measure: A New Way to Evaluate Foreground Maps", ICCV 2017.

    A quadrant without pixels adds nothing; PySODMetrics 1.6.2 returns NaN there.

    Args:
        histograms: (4, 2, L) int64, output of
            `featheredge.metrics.saliency_kernels.quadrant_histograms`.
        scale: The values of the levels.

    Returns:
        A score in [0, 1]. For an empty mask it is 1 minus the mean of the map, for a full mask the
        mean of the map.
    """
    outside, inside = histograms.sum(axis=0)
    num_outside, num_inside = int(outside.sum()), int(inside.sum())
    if not (num_inside and num_outside):
        mean, _ = _mean_and_variance(outside + inside, scale.steps, scale.num_steps)
        return mean if num_inside else 1 - mean
    num_pixels = num_outside + num_inside
    steps, inverted = scale.steps, scale.num_steps - scale.steps
    objects = num_inside * _object_score(inside, steps, scale.num_steps)
    objects += num_outside * _object_score(outside, inverted, scale.num_steps)
    regions = sum(int(part.sum()) * _similarity(part, scale) for part in histograms if part.any())
    return max(0.0, (_ALPHA * objects + (1 - _ALPHA) * regions) / num_pixels)


def _object_score(histogram: NDArray[np.int64], steps: NDArray[np.int64], num_steps: int) -> float:
    """Object-aware similarity: high where values are near 1 and vary little; from (L,)."""
    mean, variance = _mean_and_variance(histogram, steps, num_steps)
    return 2 * mean / (mean**2 + 1 + math.sqrt(variance) + EPS)


def _similarity(part: NDArray[np.int64], scale: Scale) -> float:
    """Region-aware similarity: structural similarity of map and mask in a quadrant; from (2, L)."""
    total, num_inside = int(part.sum()), int(part[1].sum())
    mean, variance = _mean_and_variance(part.sum(axis=0), scale.steps, scale.num_steps)
    share = num_inside / total
    # Sums of integers are exact, so the variance of a constant is exactly 0.
    spread = total * int(part[1] @ scale.steps) - num_inside * int(part.sum(axis=0) @ scale.steps)
    pairs = total * max(total - 1, 1)
    covariance = spread / (scale.num_steps * pairs)
    variances = variance + num_inside * (total - num_inside) / pairs
    agreement = 4 * mean * share * covariance
    bound = (mean**2 + share**2) * variances
    if agreement == 0:
        return float(bound == 0)
    return agreement / (bound + EPS)


def _mean_and_variance(
    histogram: NDArray[np.int64], steps: NDArray[np.int64], num_steps: int
) -> tuple[float, float]:
    """Return mean and variance (divisor n - 1; 0 for a single pixel) of steps / num_steps."""
    n, total, squares = (int(histogram @ steps**power) for power in (0, 1, 2))
    variance = (n * squares - total**2) / (num_steps**2 * n * max(n - 1, 1))
    return total / (num_steps * n), variance


def weighted_f(levels: NDArray[np.uint8], mask: NDArray[np.bool_], scale: Scale) -> float:
    """Weighted F-measure: Margolin et al., "How to Evaluate Foreground Maps?", CVPR 2014.

    Inside the mask an error counts at most as much as the smoothed errors around it; for the
    smoothing, a pixel outside has the error of its nearest pixel inside. Outside the mask the
    weight of an error grows with its distance from the mask, from 1 to 2. beta^2 is 1.

    Args:
        levels: (H, W) uint8, the map.
        mask: (H, W) bool.
        scale: The values of the levels.

    Returns:
        A score in [0, 1]; 0 for an empty mask.
    """
    from featheredge.metrics.saliency_kernels import smooth, spread_errors, sum_inside

    num_inside = int(np.count_nonzero(mask))
    if not num_inside:
        return 0.0
    errors = np.stack([scale.values, 1 - scale.values])
    spread, outside = spread_errors(levels, mask, errors, _weights_outside(), _SMOOTHING_PX)
    inside = sum_inside(levels, mask, errors[1], smooth(spread, _smoothing_taps()))
    hits = num_inside - inside
    recall = hits / num_inside
    precision = hits / (hits + outside + EPS)
    return 2 * recall * precision / (recall + precision + EPS)


@functools.cache
def _weights_outside() -> NDArray[np.float64]:
    """Return weights by squared distance from the mask in pixels: (D,), from 1 to 2."""
    distance_px = np.sqrt(np.arange(_FAR_PX**2 + 1))
    return 2 - np.exp(math.log(0.5) / _HALF_WEIGHT_PX * distance_px)


@functools.cache
def _smoothing_taps() -> NDArray[np.float64]:
    """Return the taps of the separable Gaussian kernel, (7,)."""
    offsets = np.arange(-_SMOOTHING_PX, _SMOOTHING_PX + 1)
    taps = np.exp(-(offsets**2) / (2 * _SMOOTHING_SIGMA_PX**2))
    return np.asarray(taps / taps.sum())
