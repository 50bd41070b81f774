"""Count which predicted and annotated edge pixels find each other, at every threshold.

This is the step of the BSDS500 benchmark (Arbeláez et al., "Contour Detection and Hierarchical
Image Segmentation", PAMI 2011, section 3.1; Martin et al., PAMI 2004, appendix) between maps and
scores. The compiled work is in `featheredge.metrics.thinning` and `featheredge.metrics.matching`;
here is what surrounds it.

Shape legend: ``H W`` pixels; ``G`` annotators; ``T`` thresholds; ``N`` cells of the padded grid.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featheredge.extras import require

if TYPE_CHECKING:
    from featheredge.metrics.matching import Graph

COLUMNS = ("cntR", "sumR", "cntP", "sumP")  # the benchmark's own names
VERSION = 1  # raised whenever a count may change, so that stored counts are not used again
_UNITS_PER_PX = 100  # distances are rounded to a hundredth of a pixel
_PENALTY_PER_TOLERANCE = 100  # an unmatched pixel costs as much as 100 pairs at the tolerance


def require_numba() -> None:
    """Raise MissingExtraError, which says what to install, unless numba is installed."""
    require("eval", "scoring", "numba", "scipy")


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin every stroke to one pixel (the definition of MATLAB's ``bwmorph(mask, 'thin', inf)``).

    Args:
        mask: (H, W).

    Returns:
        (H, W).

    Raises:
        MissingExtraError: numba is not installed.
    """
    require_numba()
    from featheredge.metrics.thinning import thin_levels

    padded = np.pad(mask, 1)
    pixels, _ = thin_levels(padded.astype(np.int16), 1)
    thinned = np.zeros_like(padded)
    thinned.flat[pixels] = True
    return thinned[1:-1, 1:-1]


def count_matches(
    edge_map: NDArray[np.float64],
    annotations: Sequence[NDArray[np.bool_]],
    thresholds: NDArray[np.float64],
    max_dist: float,
) -> NDArray[np.int64]:
    """Threshold, thin and match one map against each of its annotations.

    Args:
        edge_map: (H, W), values in [0, 1], after non-maximum suppression.
        annotations: G masks (H, W), one per annotator.
        thresholds: (T,) ascending, above 0; a pixel is predicted where ``map >= threshold``.
        max_dist: farthest a pair may lie apart, as a share of the picture's diagonal.

    Returns:
        (T, 4): annotated pixels matched and annotated pixels in all, both summed over annotators
        (recall); predicted pixels matched to any annotator and predicted pixels in all
        (precision).

    Raises:
        MissingExtraError: numba is not installed.
    """
    require_numba()
    from featheredge.metrics.matching import track
    from featheredge.metrics.thinning import thin_levels

    max_dist_px = max_dist * float(np.hypot(*edge_map.shape))
    margin = max(1, int(max_dist_px))
    levels = np.pad(np.searchsorted(thresholds, edge_map, side="right"), margin).astype(np.int16)
    cells, starts = thin_levels(levels, len(thresholds))
    # The graph has one vertex for every pixel that is predicted at any threshold.
    predicted_ever = np.zeros(levels.size, np.bool_)
    predicted_ever[cells] = True
    predicted = np.flatnonzero(predicted_ever).astype(np.int32)
    pixels = (np.cumsum(predicted_ever, dtype=np.int32) - 1)[cells]
    matched_by_any = np.zeros(len(pixels), np.bool_)
    counts = np.zeros((len(thresholds), 4), np.int64)
    for annotation in annotations:
        graph = pixel_graph(predicted, np.pad(annotation, margin), max_dist_px)
        matched = track(graph, pixels, starts)
        matched_by_any |= matched
        counts[:, 0] += _per_level(matched, starts)
        counts[:, 1] += np.count_nonzero(annotation)
    counts[:, 2] = _per_level(matched_by_any, starts)
    counts[:, 3] = np.diff(starts)[::-1]
    return counts


def _per_level(flags: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P,) -> (T,) how many are set at each threshold; the kernels run from the highest down."""
    total = np.concatenate(([0], np.cumsum(flags, dtype=np.int64)))
    return np.diff(total[starts])[::-1]


def pixel_graph(
    predicted: NDArray[np.int32], annotation: NDArray[np.bool_], max_dist_px: float
) -> "Graph":
    """Lay out the matching problem of one annotator, with no pixel predicted yet.

    Args:
        predicted: flat indices into the annotation of the pixels predicted at any level, ascending.
        annotation: (rows, columns), with an empty margin of at least ``max_dist_px`` all round.
        max_dist_px: farthest a pair may lie apart.

    Returns:
        The graph, ready for `featheredge.metrics.matching.track`.
    """
    require_numba()
    from featheredge.metrics.matching import connect

    reach = int(max_dist_px)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    near = dy**2 + dx**2 <= max_dist_px**2
    costs = np.rint(_UNITS_PER_PX * np.hypot(dy, dx)).astype(np.int64)[near]
    offsets = (dy * annotation.shape[1] + dx).astype(np.int64)[near]
    annotated = np.flatnonzero(annotation).astype(np.int32)
    penalty = int(np.ceil(_PENALTY_PER_TOLERANCE * _UNITS_PER_PX * max_dist_px))
    # Costs are shifted up, and below them every pair gets its own pseudo-random number. All of
    # them together stay under one cost unit, so they only choose among optima of equal cost:
    # the choice is the same whatever the order in which pixels came.
    shift = 61 - penalty.bit_length()
    noise_bits = shift - len(annotated).bit_length()
    gains = (penalty - costs) << shift
    graph: Graph = connect(
        predicted, annotated, annotation.size, offsets, gains, (1 << noise_bits) - 1
    )
    return graph
