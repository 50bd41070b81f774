"""`SaliencyScores`: F, E, S, weighted F and MAE of a set of maps, computed from counts of pixels.

Shapes: `I` images; `T` the 256 thresholds, ascending; `T'` the same and then the adaptive threshold
of the map. The last axis of counts holds the predicted salient pixels and all predicted pixels.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.metrics.edge_scores import f_measure
from featheredge.metrics.saliency_measures import EPS
from featheredge.metrics.saliency_protocol import BETA_SQ, NUM_LEVELS, SaliencyProtocol

Curve = NDArray[np.float64]
_SMOOTHING = 1e-4  # salmetric adds it to numerator and denominator of precision and recall


@dataclass(frozen=True)
class SaliencyCounts:
    """Counts and measures of one map and its mask.

    Attributes:
        predicted: (T', 2) int64.
        num_salient: Number of salient pixels of the mask.
        num_pixels: Number of pixels of the mask.
        mae: Mean absolute error.
        s_measure: S-measure.
        weighted_f: Weighted F-measure.
        resized: Whether the map was resized to the size of its mask.
    """

    predicted: NDArray[np.int64]
    num_salient: int
    num_pixels: int
    mae: float
    s_measure: float
    weighted_f: float
    resized: bool


@dataclass(frozen=True)
class SaliencyScores:
    """Scores of a set of saliency maps; `str` of it is a table.

    Attributes:
        precision: (T,) mean over images.
        recall: (T,) mean over images.
        f: (T,) F-measure of the set at every threshold.
        e: (T,) E-measure of the set at every threshold.
        adaptive_f: F-measure with each map thresholded at twice its mean (at most 1).
        adaptive_e: E-measure with the same thresholds.
        weighted_f: Mean weighted F-measure.
        s_measure: Mean S-measure.
        mae: Mean absolute error, averaged over images.
        protocol: The protocol of the scores.
        names: I names, ascending.
        num_resized: Number of maps that were resized to the size of their mask.
    """

    precision: Curve
    recall: Curve
    f: Curve
    e: Curve
    adaptive_f: float
    adaptive_e: float
    weighted_f: float
    s_measure: float
    mae: float
    protocol: SaliencyProtocol
    names: tuple[str, ...]
    num_resized: int

    @property
    def num_images(self) -> int:
        """Number of scored images."""
        return len(self.names)

    @property
    def thresholds(self) -> Curve:
        """(T,) in [0, 1], ascending."""
        return np.arange(NUM_LEVELS) / (NUM_LEVELS - 1)

    @property
    def names_sha256(self) -> str:
        """Hash of the names, one per line: it tells whether two scores are of the same images."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Return the scores, their protocol and the set of images, ready for JSON."""
        return {
            "max_f": float(self.f.max()),
            "mean_f": float(self.f.mean()),
            "adaptive_f": self.adaptive_f,
            "weighted_f": self.weighted_f,
            "mae": self.mae,
            "s_measure": self.s_measure,
            "max_e": float(self.e.max()),
            "mean_e": float(self.e.mean()),
            "adaptive_e": self.adaptive_e,
            "num_images": self.num_images,
            "names_sha256": self.names_sha256,
            "num_resized": self.num_resized,
            "protocol": self.protocol.to_dict(),
        }

    def __str__(self) -> str:
        plural = "image" if self.num_images == 1 else "images"
        several = self.num_resized != 1
        resized = f"{self.num_resized} " + ("maps" if several else "map") + " resized to "
        resized += "their masks" if several else "its mask"
        f, e = self.f, self.e
        return "\n".join(
            [
                self.protocol.describe(),
                f"{self.num_images} {plural}, {resized}",
                "                max    mean  adaptive  weighted",
                f"F-measure    {f.max():.4f}  {f.mean():.4f}    {self.adaptive_f:.4f}    "
                f"{self.weighted_f:.4f}",
                f"E-measure    {e.max():.4f}  {e.mean():.4f}    {self.adaptive_e:.4f}",
                f"S-measure    {self.s_measure:.4f}",
                f"MAE          {self.mae:.4f}",
            ]
        )


def score_saliency(
    counts: Mapping[str, SaliencyCounts], protocol: SaliencyProtocol
) -> SaliencyScores:
    """Compute all scores; they do not depend on the order of the images.

    Args:
        counts: Name of the image -> its counts.
        protocol: The protocol of the counts.

    Raises:
        EvaluationError: There is no image.
    """
    if not counts:
        raise EvaluationError("nothing to score: no image has been counted; call `update` first")
    names = tuple(sorted(counts))
    images = [counts[name] for name in names]
    predicted = np.stack([image.predicted for image in images])
    num_salient = np.array([[image.num_salient] for image in images])
    num_pixels = np.array([[image.num_pixels] for image in images])
    recall, precision = _rates(predicted, num_salient, protocol)
    e = e_measure(predicted, num_salient, num_pixels).mean(axis=0)
    f = _f(recall, precision, protocol)
    return SaliencyScores(
        precision=precision.mean(axis=0)[:-1],
        recall=recall.mean(axis=0)[:-1],
        f=f[:-1],
        e=e[:-1],
        adaptive_f=float(f[-1]),
        adaptive_e=float(e[-1]),
        weighted_f=float(np.mean([image.weighted_f for image in images])),
        s_measure=float(np.mean([image.s_measure for image in images])),
        mae=float(np.mean([image.mae for image in images])),
        protocol=protocol,
        names=names,
        num_resized=sum(image.resized for image in images),
    )


def _rates(
    predicted: NDArray[np.int64], num_salient: NDArray[np.int64], protocol: SaliencyProtocol
) -> tuple[Curve, Curve]:
    """Compute recall and precision of every image: (I, T', 2), (I, 1) -> (I, T') each."""
    hits, alarms = np.moveaxis(predicted, -1, 0)
    if protocol.averages_rates:
        recall = (hits + _SMOOTHING) / (num_salient + _SMOOTHING)
        return recall, (hits + _SMOOTHING) / (alarms + _SMOOTHING)
    return hits / np.maximum(num_salient, 1), hits / np.maximum(alarms, 1)


def _f(recall: Curve, precision: Curve, protocol: SaliencyProtocol) -> Curve:
    """Compute F of the set: (I, T') each -> (T',)."""
    if protocol.averages_rates:
        return f_measure(recall.mean(axis=0), precision.mean(axis=0), BETA_SQ)
    return np.asarray(f_measure(recall, precision, BETA_SQ).mean(axis=0))


def e_measure(
    predicted: NDArray[np.int64], num_salient: NDArray[np.int64], num_pixels: NDArray[np.int64]
) -> Curve:
    """E-measure: Fan et al., "Enhanced-alignment Measure for Binary Foreground Map Evaluation".

    IJCAI 2018. Map and mask are binary, so there are four kinds of pixels, each with one
    alignment. The sum is divided by the number of pixels minus one, so a perfect map of N pixels
    scores N / (N - 1).

    Args:
        predicted: (..., T, 2) int64, predicted salient pixels and all predicted pixels.
        num_salient: (..., 1) int64, salient pixels of the mask.
        num_pixels: (..., 1) int64, pixels of the mask.

    Returns:
        (..., T). For an empty mask, the share of pixels that are not predicted; for a full mask,
        the share that is.
    """
    hits, alarms = np.moveaxis(predicted, -1, 0)
    kinds = [
        (hits, 1, 1),
        (alarms - hits, 1, 0),
        (num_salient - hits, 0, 1),
        (num_pixels - alarms - num_salient + hits, 0, 0),
    ]
    total = np.zeros(hits.shape)
    for count, in_map, in_mask in kinds:
        a, b = in_map - alarms / num_pixels, in_mask - num_salient / num_pixels
        total += count * (2 * a * b / (a**2 + b**2 + EPS) + 1) ** 2 / 4
    total = np.where(num_salient == 0, num_pixels - alarms, total)
    total = np.where(num_salient == num_pixels, alarms, total)
    return np.asarray(total / np.maximum(num_pixels - 1, 1))
