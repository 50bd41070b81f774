"""`EdgeScores`: the benchmark's scores ODS, OIS, AP and R50, computed from counts of pixels.

Shapes: `I` images; `T` thresholds. The last axis of counts holds cntR, sumR, cntP, sumP (see
`featheredge.metrics.edge_counts`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.metrics.edge_protocol import EdgeProtocol

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """One point of a precision-recall curve.

    Attributes:
        f: F-measure.
        precision: Precision.
        recall: Recall.
        threshold: The threshold of the point, or None if every image has its own.
    """

    f: float
    precision: float
    recall: float
    threshold: float | None = None

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name, without the threshold if it is None."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class EdgeScores:
    """Scores of a set of edge maps; `str` of it is a table.

    Attributes:
        ods: The best F with one threshold for all images (optimal dataset scale).
        ois: F of the counts summed over images, each at its own best threshold (optimal image
            scale).
        ap: Average precision as the original benchmark computes it.
        r50: Recall at precision 0.5.
        protocol: The protocol of the scores.
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
        """Number of scored images."""
        return len(self.names)

    def curve(self) -> tuple[Curve, Curve, Curve]:
        """Return thresholds, and recall and precision of the summed counts, each (T,)."""
        return self.protocol.levels(), *rates(self.counts.sum(axis=0))

    def to_dict(self) -> dict[str, object]:
        """Return the scores, their protocol and the number of images, ready for JSON."""
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
        counts: (I, T, 4) int64.
        names: I names, one per image.
        protocol: The protocol of the counts.

    Raises:
        EvaluationError: There is no image.
    """
    if not names:
        raise EvaluationError("nothing to score: no image has been counted; call `update` first")
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
    """Compute recall and precision; where the divisor is 0, the rate is 0.

    Args:
        counts: (..., 4) int64.

    Returns:
        Recall and precision, each (...) float64.
    """
    matched_r, all_r, matched_p, all_p = np.moveaxis(counts, -1, 0)
    return matched_r / np.maximum(all_r, 1), matched_p / np.maximum(all_p, 1)


def f_measure(recall: Curve, precision: Curve, beta_sq: float = 1.0) -> Curve:
    """Compute the F-measure: the harmonic mean of precision and recall, recall weighted by beta^2.

    Where both are 0, it is 0.
    """
    total = recall + beta_sq * precision
    return (1 + beta_sq) * recall * precision / np.where(total == 0, 1, total)


def best_point(thresholds: Curve, recall: Curve, precision: Curve) -> OperatingPoint:
    """Find the highest F on a curve, with 100 linear steps between neighbouring thresholds.

    Args:
        thresholds: (T,).
        recall: (T,).
        precision: (T,).
    """
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
    """Compute the area under the curve with the rule of the original benchmark.

    The rule interpolates precision at the 101 recalls 0, 0.01 .. 1, takes it as 0 outside the
    curve, and divides the sum by 100. A perfect curve therefore scores 1.01.
    """
    recalls, first = np.unique(recall, return_index=True)
    if len(recalls) < 2:
        return 0.0
    grid = np.linspace(0, 1, 101)
    return float(np.interp(grid, recalls, precision[first], left=0, right=0).sum() / 100)


def _recall_at_half(recall: Curve, precision: Curve) -> float:
    """Return recall at precision 0.5, or at the lowest precision if that is above 0.5."""
    if not len(recall):
        return 0.0
    precisions, first = np.unique(precision, return_index=True)
    return float(np.interp(max(precisions[0], 0.5), precisions, recall[first]))


def _best_per_image(counts: NDArray[np.int64]) -> OperatingPoint:
    best = f_measure(*rates(counts)).argmax(axis=1)
    recall, precision = rates(counts[np.arange(len(counts)), best].sum(axis=0))
    return OperatingPoint(float(f_measure(recall, precision)), float(precision), float(recall))
