"""`SaliencyMetric`: takes saliency maps and masks one by one and computes their scores.

All measures except weighted F and salmetric's MAE follow from one histogram of levels inside and
outside the mask.

Shapes: `H W` pixels; `L` the 256 levels of an 8-bit map; `T'` thresholds with the adaptive one.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.metrics.edge_counts import require_numba
from featheredge.metrics.map_values import unit_values
from featheredge.metrics.saliency_measures import s_measure, weighted_f
from featheredge.metrics.saliency_protocol import MASK_THRESHOLD, SaliencyProtocol, Scale
from featheredge.metrics.saliency_scores import SaliencyCounts, SaliencyScores, score_saliency
from featheredge.png import quantise
from featheredge.resize import resize


class SaliencyMetric:
    """Counts images one by one; metrics of the same protocol can be added with `+`.

    Example:
        >>> metric = SaliencyMetric()
        >>> mask = np.eye(20, dtype=bool)
        >>> metric.update(mask, mask)
        >>> metric.compute().mae
        0.0
    """

    def __init__(self, protocol: SaliencyProtocol | None = None) -> None:
        """Start without images; the default protocol is `pysod`."""
        self.protocol = protocol or SaliencyProtocol()
        self._counts: dict[str, SaliencyCounts] = {}

    def update(
        self, map: NDArray[np.generic], mask: NDArray[np.generic], name: str | None = None
    ) -> None:
        """Count one image.

        Args:
            map: (H, W), uint8, or floating point or bool in [0, 1]; rounded to 8 bits, as a saved
                map is, and resized bilinearly to the mask if sizes differ.
            mask: (H, W), bool, or uint8 where a value above 127 is salient.
            name: Name of the image, unique in this metric; its number by default.

        Raises:
            EvaluationError: Values are outside [0, 1], the mask is neither bool nor 8-bit, the
                map is transposed, or the name is taken.
            MissingExtraError: numba is not installed.
        """
        name = name or str(len(self._counts))
        self.add(name, count_saliency(map, mask, self.protocol))

    def add(self, name: str, counts: SaliencyCounts) -> None:
        """Add the counts of one image that `count_saliency` returned for the same protocol.

        Raises:
            EvaluationError: An image of this name has already been counted.
        """
        if name in self._counts:
            raise EvaluationError(
                f"image {name!r} has already been counted; give every image its own name"
            )
        self._counts[name] = counts

    def __add__(self, other: "SaliencyMetric") -> "SaliencyMetric":
        if self.protocol != other.protocol:
            raise EvaluationError(
                "cannot add metrics of different protocols: "
                f"{self.protocol.name} / {other.protocol.name}"
            )
        total = SaliencyMetric(self.protocol)
        for part in (self, other):
            for name, counts in part._counts.items():
                total.add(name, counts)
        return total

    def compute(self) -> SaliencyScores:
        """Compute the scores of all images counted so far.

        Raises:
            EvaluationError: No image has been counted.
        """
        return score_saliency(self._counts, self.protocol)


def count_saliency(
    map: NDArray[np.generic], mask: NDArray[np.generic], protocol: SaliencyProtocol
) -> SaliencyCounts:
    """Count one image; `SaliencyMetric.update` describes the arguments and the errors."""
    require_numba()
    from featheredge.metrics.saliency_kernels import quadrant_histograms

    grey = mask_levels(mask)
    levels = map_levels(map)
    check_not_transposed(levels.shape, grey.shape)
    if resized := levels.shape != grey.shape:
        levels = resize(levels, *grey.shape)
    salient = grey > MASK_THRESHOLD
    quadrants = quadrant_histograms(levels, salient)
    histogram = quadrants.sum(axis=0)
    present = np.flatnonzero(histogram.any(axis=0))
    scale = protocol.scale(int(present[0]), int(present[-1]))
    return SaliencyCounts(
        predicted=_count_predicted(histogram, scale, protocol),
        num_salient=int(histogram[1].sum()),
        num_pixels=levels.size,
        mae=_grey_error(levels, grey) if protocol.averages_rates else _error(histogram, scale),
        s_measure=s_measure(quadrants, scale),
        weighted_f=weighted_f(levels, salient, scale),
        resized=resized,
    )


def map_levels(map: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Round a map to the 8-bit levels of a saved map.

    Args:
        map: (H, W), uint8, or floating point or bool in [0, 1].

    Returns:
        (H, W) uint8, C-contiguous.

    Raises:
        EvaluationError: The map is not two-dimensional, or values are NaN or outside [0, 1].
    """
    if map.dtype == np.uint8 and map.ndim == 2 and map.size:
        return np.ascontiguousarray(map, np.uint8)
    return quantise(unit_values(map))


def mask_levels(mask: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Convert a mask to 8 bits.

    Args:
        mask: (H, W), bool or uint8.

    Returns:
        (H, W) uint8.

    Raises:
        EvaluationError: The mask is not two-dimensional, is neither bool nor uint8, or has no
            salient value although it is not empty, as a mask of 0 and 1.
    """
    if mask.ndim != 2 or mask.size == 0:
        raise EvaluationError(f"the mask has shape {mask.shape}; expected (H, W), not empty")
    if mask.dtype == np.bool_:
        return mask.astype(np.uint8) * np.uint8(255)
    if mask.dtype != np.uint8:
        raise EvaluationError(
            f"the mask has dtype {mask.dtype}; expected bool, or uint8 from 0 to 255"
        )
    if 0 < (highest := int(mask.max())) <= MASK_THRESHOLD:
        raise EvaluationError(
            f"the mask's highest value is {highest}, but only values above {MASK_THRESHOLD} are "
            "salient; expected 0 to 255: multiply a mask of 0 and 1 by 255"
        )
    return mask.astype(np.uint8)


def check_not_transposed(map: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """Raise EvaluationError if height and width are swapped; any other size can be resized."""
    if map != mask and map == mask[::-1]:
        raise EvaluationError(
            f"the map has (height, width) {map} but its mask {mask}; one of them is transposed"
        )


def _count_predicted(
    histogram: NDArray[np.int64], scale: Scale, protocol: SaliencyProtocol
) -> NDArray[np.int64]:
    """Count predicted pixels at all thresholds: (2, L) -> (T', 2), see `SaliencyCounts`."""
    binned = np.zeros_like(histogram)
    for row, counts in zip(binned, histogram, strict=True):
        np.add.at(row, scale.bins, counts)
    at_thresholds = protocol.at_thresholds(binned)
    # The adaptive threshold, value >= min(2 * mean, 1), in integers, so that ties are exact.
    num_pixels = int(histogram.sum())
    twice_sum = 2 * int(histogram.sum(axis=0) @ scale.steps)
    bright = scale.steps * num_pixels >= min(twice_sum, scale.num_steps * num_pixels)
    adaptive = histogram[:, bright].sum(axis=1, keepdims=True)
    outside, inside = np.concatenate([at_thresholds, adaptive], axis=1)
    return np.stack([inside, outside + inside], axis=1)


def _error(histogram: NDArray[np.int64], scale: Scale) -> float:
    """Return the mean absolute error against the binary mask, from (2, L)."""
    steps = np.stack([scale.steps, scale.num_steps - scale.steps])
    return int((histogram * steps).sum()) / (scale.num_steps * int(histogram.sum()))


def _grey_error(levels: NDArray[np.uint8], grey: NDArray[np.uint8]) -> float:
    """Return the mean absolute error of the unstretched map against the grey mask, each (H, W)."""
    return float(np.abs(levels.astype(np.int16) - grey).mean() / 255)
