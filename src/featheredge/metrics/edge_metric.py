"""`EdgeMetric`: takes edge maps and annotations one by one and computes the benchmark's scores.

Shapes: `H W` pixels; `G` annotators; `T` thresholds.
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
    """Counts images one by one; metrics of the same protocol can be added with `+`.

    Example:
        >>> metric = EdgeMetric(EdgeProtocol(nms="none"))
        >>> edge = np.eye(20, dtype=bool)
        >>> metric.update(edge, [edge])
        >>> metric.compute().ods.f
        1.0
    """

    def __init__(self, protocol: EdgeProtocol | None = None) -> None:
        """Start without images; the default protocol is that of published BSDS500 scores."""
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
            annotations: G masks (H, W), one per annotator; non-zero pixels are edges.
            name: Name of the image, unique in this metric; its number by default.

        Raises:
            EvaluationError: Values are outside [0, 1], sizes differ, there is no annotation, one
                has NaN, or the name is taken.
            MissingExtraError: numba is not installed.
        """
        self.add(name or str(len(self._counts)), count_edges(edge_map, annotations, self.protocol))

    def add(self, name: str, counts: Counts) -> None:
        """Add the counts of one image that `count_edges` returned for the same protocol.

        Args:
            name: Name of the image.
            counts: (T, 4) int64.

        Raises:
            EvaluationError: An image of this name has already been counted.
        """
        if name in self._counts:
            raise EvaluationError(
                f"image {name!r} has already been counted; give every image its own name"
            )
        self._counts[name] = counts

    def __add__(self, other: "EdgeMetric") -> "EdgeMetric":
        if self.protocol != other.protocol:
            raise EvaluationError(
                "cannot add metrics of different protocols: "
                f"{self.protocol.describe()} / {other.protocol.describe()}"
            )
        total = EdgeMetric(self.protocol)
        for part in (self, other):
            for name, counts in part._counts.items():
                total.add(name, counts)
        return total

    def compute(self) -> EdgeScores:
        """Compute the scores of all images counted so far.

        Raises:
            EvaluationError: No image has been counted.
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
        annotations: G masks (H, W), one per annotator; non-zero pixels are edges.
        protocol: Settings of the benchmark.

    Returns:
        (T, 4) int64: cntR, sumR, cntP, sumP, see `featheredge.metrics.edge_counts.count_matches`.

    Raises:
        EvaluationError: Values are outside [0, 1], sizes differ, there is no annotation, or one
            has NaN.
        MissingExtraError: numba is not installed.
    """
    masks = [_mask(annotation) for annotation in annotations]
    if not masks:
        raise EvaluationError("no annotation; every image needs at least one")
    for mask in masks:
        check_same_size(edge_map.shape, mask.shape)
    return count_matches(protocol.prepare(edge_map), masks, protocol.levels(), protocol.max_dist)


def _mask(annotation: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Convert an annotation to bool; NaN, which would count as an edge, is an error."""
    values = np.asarray(annotation)
    if num_nan := np.count_nonzero(values != values):  # only NaN differs from itself
        raise EvaluationError(
            f"the annotation has {num_nan} NaN values; expected 0, or another number on edges"
        )
    return values.astype(np.bool_)


def check_same_size(edge_map: tuple[int, ...], annotation: tuple[int, ...]) -> None:
    """Raise EvaluationError unless map and annotation have the same (H, W)."""
    if edge_map != annotation:
        transposed = edge_map == annotation[::-1]
        hint = "one of them is transposed" if transposed else "write maps at the picture's size"
        raise EvaluationError(
            f"the map has (height, width) {edge_map} but its annotation {annotation}; {hint}"
        )
