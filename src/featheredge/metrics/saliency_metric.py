"""The saliency metric: maps and masks in, scores out.

Nearly everything follows from one histogram of levels inside and outside the mask.

Shape legend: ``H W`` pixels; ``L`` the 256 levels of an 8-bit map.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.image import quantise
from featheredge.metrics.edge_counts import require_numba
from featheredge.metrics.map_values import unit_values
from featheredge.metrics.saliency_measures import s_measure, weighted_f
from featheredge.metrics.saliency_protocol import MASK_THRESHOLD, SaliencyProtocol, Scale
from featheredge.metrics.saliency_scores import SaliencyCounts, SaliencyScores, score_saliency
from featheredge.resize import resize


class SaliencyMetric:
    """Collects counts image by image; metrics of the same protocol add up with ``+``.

    Example:
        >>> metric = SaliencyMetric()
        >>> mask = np.eye(20, dtype=bool)
        >>> metric.update(mask, mask)
        >>> metric.compute().mae
        0.0
    """

    def __init__(self, protocol: SaliencyProtocol | None = None) -> None:
        """Start with no image; the protocol defaults to ``pysod``."""
        self.protocol = protocol or SaliencyProtocol()
        self._counts: dict[str, SaliencyCounts] = {}

    def update(
        self, map: NDArray[np.generic], mask: NDArray[np.generic], name: str | None = None
    ) -> None:
        """Count one image.

        Args:
            map: (H, W), uint8, or floating point or bool in [0, 1]; scored as the 8-bit map that
                it is saved as, and resized bilinearly to the mask where sizes differ.
            mask: (H, W), bool, or uint8 in which a pixel above 127 is salient.
            name: what to call the image; left out, its number.

        Raises:
            EvaluationError: values outside [0, 1], a mask of another kind, a transposed map.
            MissingExtraError: numba is not installed.
        """
        name = name or str(len(self._counts))
        self.add(name, count_saliency(map, mask, self.protocol))

    def add(self, name: str, counts: SaliencyCounts) -> None:
        """Take over counts that were made elsewhere under the same protocol.

        Raises:
            EvaluationError: an image of this name has been counted already.
        """
        if name in self._counts:
            raise EvaluationError(f"image {name!r} is counted already; each counts once")
        self._counts[name] = counts

    def __add__(self, other: "SaliencyMetric") -> "SaliencyMetric":
        if self.protocol != other.protocol:
            raise EvaluationError(
                "metrics of different protocols do not add up: "
                f"{self.protocol.name} / {other.protocol.name}"
            )
        total = SaliencyMetric(self.protocol)
        for part in (self, other):
            for name, counts in part._counts.items():
                total.add(name, counts)
        return total

    def compute(self) -> SaliencyScores:
        """Score all images counted so far.

        Raises:
            EvaluationError: there are none.
        """
        return score_saliency(self._counts, self.protocol)


def count_saliency(
    map: NDArray[np.generic], mask: NDArray[np.generic], protocol: SaliencyProtocol
) -> SaliencyCounts:
    """Count one image; for the arguments and errors see `SaliencyMetric.update`."""
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
    """Return a map as the 8-bit levels that it is saved with, (H, W), C-contiguous.

    Raises:
        EvaluationError: not two-dimensional, or values that are NaN or outside [0, 1].
    """
    if map.dtype == np.uint8 and map.ndim == 2 and map.size:
        return np.ascontiguousarray(map, np.uint8)
    return quantise(unit_values(map))


def mask_levels(mask: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return a mask in 8 bits, (H, W).

    Raises:
        EvaluationError: not two-dimensional, neither bool nor uint8, or stored as 0 and 1.
    """
    if mask.ndim != 2 or mask.size == 0:
        raise EvaluationError(f"a mask is (H, W) with pixels in it; got {mask.shape}")
    if mask.dtype == np.bool_:
        return mask.astype(np.uint8) * np.uint8(255)
    if mask.dtype != np.uint8:
        raise EvaluationError(f"a mask is bool, or uint8 from 0 to 255; got {mask.dtype}")
    if 0 < (highest := int(mask.max())) <= MASK_THRESHOLD:
        raise EvaluationError(
            f"the mask's values end at {highest}, and none is salient, which is above "
            f"{MASK_THRESHOLD}; expected 0 to 255 (multiply 0 and 1 by 255)"
        )
    return mask.astype(np.uint8)


def check_not_transposed(map: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """Raise EvaluationError where height and width are swapped; other sizes can be resized."""
    if map != mask and map == mask[::-1]:
        raise EvaluationError(
            f"the map has (height, width) {map} but its mask {mask}; one of them is transposed"
        )


def _count_predicted(
    histogram: NDArray[np.int64], scale: Scale, protocol: SaliencyProtocol
) -> NDArray[np.int64]:
    """(2, L) -> (T', 2), see `SaliencyCounts.predicted`."""
    binned = np.zeros_like(histogram)
    for row, counts in zip(binned, histogram, strict=True):
        np.add.at(row, scale.bins, counts)
    at_thresholds = protocol.at_thresholds(binned)
    # value >= min(2 * mean, 1), in integers, so that a tie is a tie
    num_pixels = int(histogram.sum())
    twice_sum = 2 * int(histogram.sum(axis=0) @ scale.steps)
    bright = scale.steps * num_pixels >= min(twice_sum, scale.num_steps * num_pixels)
    adaptive = histogram[:, bright].sum(axis=1, keepdims=True)
    outside, inside = np.concatenate([at_thresholds, adaptive], axis=1)
    return np.stack([inside, outside + inside], axis=1)


def _error(histogram: NDArray[np.int64], scale: Scale) -> float:
    """Mean absolute error against the binary mask, from (2, L)."""
    steps = np.stack([scale.steps, scale.num_steps - scale.steps])
    return int((histogram * steps).sum()) / (scale.num_steps * int(histogram.sum()))


def _grey_error(levels: NDArray[np.uint8], grey: NDArray[np.uint8]) -> float:
    """Mean absolute error of the map as it is against the grey mask, (H, W) each."""
    return float(np.abs(levels.astype(np.int16) - grey).mean() / 255)
