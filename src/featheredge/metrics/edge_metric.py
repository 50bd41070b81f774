"""The edge metric: maps and annotations in, benchmark scores out.

Shape legend: ``H W`` pixels; ``G`` annotators; ``T`` thresholds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.metrics.edge_counts import count_matches
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.edge_scores import EdgeScores, score_edges

Counts = NDArray[np.int64]


class EdgeMetric:
    """Collects counts image by image; metrics of the same protocol add up with ``+``.

    Example:
        >>> metric = EdgeMetric(EdgeProtocol(nms="none"))
        >>> edge = np.eye(20, dtype=bool)
        >>> metric.update(edge, [edge])
        >>> metric.compute().ods.f
        1.0
    """

    def __init__(self, protocol: EdgeProtocol | None = None) -> None:
        """Start with no image; the protocol defaults to that of published BSDS500 scores."""
        self.protocol = protocol or EdgeProtocol()
        self._counts: dict[str, Counts] = {}

    def update(
        self,
        edge_map: NDArray[np.generic],
        annotations: Sequence[NDArray[np.generic]] | NDArray[np.generic],
        name: str | None = None,
    ) -> None:
        """Count one image.

        Args:
            edge_map: (H, W), uint8, or floating point or bool in [0, 1].
            annotations: G masks (H, W), one per annotator; what is not 0 is edge.
            name: what to call the image; left out, its number.

        Raises:
            EvaluationError: values outside [0, 1], sizes that differ, or no annotation.
            MissingExtraError: numba is not installed.
        """
        self.add(name or str(len(self._counts)), count_edges(edge_map, annotations, self.protocol))

    def add(self, name: str, counts: Counts) -> None:
        """Take over counts, (T, 4), that were made elsewhere under the same protocol.

        Raises:
            EvaluationError: an image of this name has been counted already.
        """
        if name in self._counts:
            raise EvaluationError(f"image {name!r} is counted already; each counts once")
        self._counts[name] = counts

    def __add__(self, other: "EdgeMetric") -> "EdgeMetric":
        if self.protocol != other.protocol:
            raise EvaluationError(
                "metrics of different protocols do not add up: "
                f"{self.protocol.describe()} / {other.protocol.describe()}"
            )
        total = EdgeMetric(self.protocol)
        for part in (self, other):
            for name, counts in part._counts.items():
                total.add(name, counts)
        return total

    def compute(self) -> EdgeScores:
        """Score all images counted so far.

        Raises:
            EvaluationError: there are none.
        """
        names = tuple(sorted(self._counts))
        counts = np.array([self._counts[name] for name in names], np.int64)
        return score_edges(counts, names, self.protocol)


def count_edges(
    edge_map: NDArray[np.generic],
    annotations: Sequence[NDArray[np.generic]] | NDArray[np.generic],
    protocol: EdgeProtocol,
) -> Counts:
    """Count one image at every threshold.

    Args:
        edge_map: (H, W), uint8, or floating point or bool in [0, 1].
        annotations: G masks (H, W), one per annotator; what is not 0 is edge.
        protocol: settings.

    Returns:
        (T, 4): cntR, sumR, cntP, sumP, see `featheredge.metrics.edge_counts.count_matches`.

    Raises:
        EvaluationError: values outside [0, 1], sizes that differ, or no annotation.
        MissingExtraError: numba is not installed.
    """
    masks = [np.asarray(annotation).astype(np.bool_) for annotation in annotations]
    if not masks:
        raise EvaluationError("there is no annotation; every image needs at least one")
    for mask in masks:
        check_same_size(edge_map.shape, mask.shape)
    return count_matches(protocol.prepare(edge_map), masks, protocol.levels(), protocol.max_dist)


def check_same_size(edge_map: tuple[int, ...], annotation: tuple[int, ...]) -> None:
    """Raise EvaluationError unless map and annotation have the same (H, W)."""
    if edge_map != annotation:
        hint = "one of them is transposed" if edge_map == annotation[::-1] else "do not resize maps"
        raise EvaluationError(
            f"the map has (height, width) {edge_map} but its annotation {annotation}; {hint}"
        )
