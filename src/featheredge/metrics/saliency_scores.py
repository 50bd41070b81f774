"""From counts of predicted pixels to the scores of a set of saliency maps.

Shape legend: ``I`` images; ``T`` the 256 thresholds, ascending; ``T'`` these and, last, the
adaptive one of the map; the last axis of counts holds the salient pixels that are predicted and
all that are predicted.
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
_SMOOTHING = 1e-4  # salmetric: added above and below the line of precision and recall


@dataclass(frozen=True)
class SaliencyCounts:
    """What is known about one map and its mask.

    Attributes:
        predicted: (T', 2) int64.
        num_salient: pixels of the mask.
        num_pixels: pixels of the picture.
        mae: mean absolute error.
        s_measure: S-measure.
        weighted_f: weighted F-measure.
        resized: whether the map had to be resized to its mask.
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
    """Scores of a set of saliency maps; printing it gives the table.

    Attributes:
        precision: (T,) mean over images.
        recall: (T,) mean over images.
        f: (T,) F-measure of the set at every threshold.
        e: (T,) E-measure of the set at every threshold.
        adaptive_f: F-measure where each map is cut at twice its mean (at most 1).
        adaptive_e: E-measure there.
        weighted_f: mean weighted F-measure.
        s_measure: mean S-measure.
        mae: mean of the mean absolute errors.
        protocol: what the scores were taken with.
        names: I names, ascending.
        num_resized: maps that were resized to their masks.
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
        """Number of images scored."""
        return len(self.names)

    @property
    def thresholds(self) -> Curve:
        """(T,) in [0, 1], ascending."""
        return np.arange(NUM_LEVELS) / (NUM_LEVELS - 1)

    @property
    def names_sha256(self) -> str:
        """Digest of the names, one a line: by it two scores can be told to be of one set."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Return the scores and what they were taken with, ready for JSON."""
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
        many = self.num_resized != 1
        resized = f"{self.num_resized} " + ("maps" if many else "map") + " resized to "
        resized += "their masks" if many else "its mask"
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
        counts: by name of the image.
        protocol: what they were taken with.

    Raises:
        EvaluationError: there is no image.
    """
    if not counts:
        raise EvaluationError("there is nothing to score: no image has been counted")
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
    """(I, T', 2) and (I, 1) -> recall and precision of every image, each (I, T')."""
    hits, alarms = np.moveaxis(predicted, -1, 0)
    if protocol.averages_rates:
        recall = (hits + _SMOOTHING) / (num_salient + _SMOOTHING)
        return recall, (hits + _SMOOTHING) / (alarms + _SMOOTHING)
    return hits / np.maximum(num_salient, 1), hits / np.maximum(alarms, 1)


def _f(recall: Curve, precision: Curve, protocol: SaliencyProtocol) -> Curve:
    """(I, T') each -> F of the set, (T',)."""
    if protocol.averages_rates:
        return f_measure(recall.mean(axis=0), precision.mean(axis=0), BETA_SQ)
    return np.asarray(f_measure(recall, precision, BETA_SQ).mean(axis=0))


def e_measure(
    predicted: NDArray[np.int64], num_salient: NDArray[np.int64], num_pixels: NDArray[np.int64]
) -> Curve:
    """E-measure: Fan et al., "Enhanced-alignment Measure for Binary Foreground Map Evaluation".

    IJCAI 2018. Map and mask are binary, so pixels are of four kinds and each kind has one
    alignment. The sum is divided by one less than the number of pixels, so that a perfect map of
    N pixels has N / (N - 1).

    Args:
        predicted: (..., T, 2) salient pixels predicted, pixels predicted.
        num_salient: (..., 1) pixels of the mask.
        num_pixels: (..., 1).

    Returns:
        (..., T). Where the mask is empty, the share of pixels that are not predicted; where it is
        full, the share of those that are.
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
