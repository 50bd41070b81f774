"""From counts of matched pixels to the benchmark's scores: ODS, OIS, AP and R50.

Shape legend: ``I`` images; ``T`` thresholds; the last axis of counts holds
cntR, sumR, cntP, sumP (see `featheredge.metrics.edge_counts`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.metrics.edge_protocol import EdgeProtocol

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """One point of a precision-recall curve; ``threshold`` is None where each image has its own."""

    f: float
    precision: float
    recall: float
    threshold: float | None = None

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name, without a threshold if there is none."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class EdgeScores:
    """Scores of a set of edge maps; printing it gives the table.

    Attributes:
        ods: best F with one threshold for all images (optimal data set scale).
        ois: F of the sum of every image's counts at its own best threshold (optimal image scale).
        ap: average precision as the benchmark computes it.
        r50: recall where precision is one half.
        protocol: what the scores were taken with.
        names: I names, ascending.
        counts: (I, T, 4) int64.
    """

    ods: OperatingPoint
    ois: OperatingPoint
    ap: float
    r50: float
    protocol: EdgeProtocol
    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def num_images(self) -> int:
        """Number of images scored."""
        return len(self.names)

    def curve(self) -> tuple[Curve, Curve, Curve]:
        """Return thresholds, recall and precision of all images together, each (T,)."""
        return self.protocol.levels(), *rates(self.counts.sum(axis=0))

    def to_dict(self) -> dict[str, object]:
        """Return the scores and what they were taken with, ready for JSON."""
        return {
            "ods": self.ods.to_dict(),
            "ois": self.ois.to_dict(),
            "ap": self.ap,
            "r50": self.r50,
            "num_images": self.num_images,
            "protocol": self.protocol.to_dict(),
        }

    def __str__(self) -> str:
        ods, ois = self.ods, self.ois
        plural = "image" if self.num_images == 1 else "images"
        return "\n".join(
            [
                f"{self.protocol.describe()}, {self.num_images} {plural}",
                "            F  precision  recall  threshold",
                f"ODS    {ods.f:.4f}     {ods.precision:.4f}  {ods.recall:.4f}      "
                f"{ods.threshold:.4f}",
                f"OIS    {ois.f:.4f}     {ois.precision:.4f}  {ois.recall:.4f}  (per image)",
                f"AP     {self.ap:.4f}",
                f"R50    {self.r50:.4f}",
            ]
        )


def score_edges(
    counts: NDArray[np.int64], names: tuple[str, ...], protocol: EdgeProtocol
) -> EdgeScores:
    """Compute all scores.

    Args:
        counts: (I, T, 4).
        names: I names, one per image.
        protocol: what the counts were taken with.

    Raises:
        EvaluationError: there is no image.
    """
    if not names:
        raise EvaluationError("there is nothing to score: no image has been counted")
    total = counts.sum(axis=0)
    recall, precision = rates(total)
    return EdgeScores(
        ods=best_point(protocol.levels(), recall, precision),
        ois=_best_per_image(counts),
        ap=average_precision(recall, precision),
        r50=_recall_at_half(recall[total[:, 3] > 0], precision[total[:, 3] > 0]),
        protocol=protocol,
        names=names,
        counts=counts,
    )


def rates(counts: NDArray[np.int64]) -> tuple[Curve, Curve]:
    """(..., 4) -> recall and precision, each (...); 0 where there is nothing to divide by."""
    matched_r, all_r, matched_p, all_p = np.moveaxis(counts, -1, 0)
    return matched_r / np.maximum(all_r, 1), matched_p / np.maximum(all_p, 1)


def f_measure(recall: Curve, precision: Curve, beta_sq: float = 1.0) -> Curve:
    """Harmonic mean of recall, which weighs beta^2, and precision; 0 where both are 0."""
    total = recall + beta_sq * precision
    return (1 + beta_sq) * recall * precision / np.where(total == 0, 1, total)


def best_point(thresholds: Curve, recall: Curve, precision: Curve) -> OperatingPoint:
    """Highest F on the curve, (T,) each, with 100 points laid linearly between neighbours."""
    if len(thresholds) > 1:
        share = np.linspace(0, 1, 100)
        thresholds, recall, precision = (
            (values[:-1, None] * (1 - share) + values[1:, None] * share).ravel()
            for values in (thresholds, recall, precision)
        )
    f = f_measure(recall, precision)
    i = int(f.argmax())
    return OperatingPoint(float(f[i]), float(precision[i]), float(recall[i]), float(thresholds[i]))


def average_precision(recall: Curve, precision: Curve) -> float:
    """Area under the curve, by the benchmark's own rule.

    Precision is interpolated at the 101 recalls 0, 0.01 .. 1, taken as 0 outside the curve, and
    the sum is divided by 100 (so a perfect curve would score 1.01).
    """
    recalls, first = np.unique(recall, return_index=True)
    if len(recalls) < 2:
        return 0.0
    at = np.linspace(0, 1, 101)
    return float(np.interp(at, recalls, precision[first], left=0, right=0).sum() / 100)


def _recall_at_half(recall: Curve, precision: Curve) -> float:
    """Recall at precision 0.5, or at the lowest precision where the curve stays above that."""
    if not len(recall):
        return 0.0
    precisions, first = np.unique(precision, return_index=True)
    return float(np.interp(max(precisions[0], 0.5), precisions, recall[first]))


def _best_per_image(counts: NDArray[np.int64]) -> OperatingPoint:
    best = f_measure(*rates(counts)).argmax(axis=1)
    recall, precision = rates(counts[np.arange(len(counts)), best].sum(axis=0))
    return OperatingPoint(float(f_measure(recall, precision)), float(precision), float(recall))
