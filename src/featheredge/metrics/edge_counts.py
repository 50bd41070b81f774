"""Counts of matched edge pixels at every threshold, for one edge map and its annotations.

This is the matching step of the BSDS500 benchmark (Arbeláez et al., "Contour Detection and
Hierarchical Image Segmentation", PAMI 2011, section 3.1; Martin et al., PAMI 2004, appendix). The
compiled loops are in `featheredge.metrics.thinning` and `featheredge.metrics.matching`; this module
prepares their inputs and sums their outputs.

Shapes: `H W` pixels; `G` annotators; `T` thresholds; `P` predicted pixels of all thresholds
together.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featheredge.extras import require

if TYPE_CHECKING:
    from featheredge.metrics.matching import Graph

COLUMNS = ("cntR", "sumR", "cntP", "sumP")  # the names that the original benchmark uses
VERSION = 1  # increase it when a count may change, so that counts stored before are not used
_UNITS_PER_PX = 100  # distances are rounded to a hundredth of a pixel
_PENALTY_PER_TOLERANCE = 100  # an unmatched pixel costs as much as 100 pairs at the tolerance


def require_numba() -> None:
    """Raise MissingExtraError, which says what to install, unless numba is installed."""
    require("eval", "scoring", "numba", "scipy")


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin every stroke to a width of one pixel, as MATLAB's `bwmorph(mask, 'thin', inf)`.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool.

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
    """Threshold and thin one map, and match it with each of its annotations.

    Args:
        edge_map: (H, W) float64 in [0, 1], after non-maximum suppression.
        annotations: G masks (H, W) bool, one per annotator.
        thresholds: (T,) ascending, above 0; a pixel is predicted where `map >= threshold`.
        max_dist: The largest distance at which two pixels match, as a share of the picture's
            diagonal.

    Returns:
        (T, 4) int64, in the order of `COLUMNS`. For recall: matched annotated pixels and all
        annotated pixels, both summed over annotators. For precision: predicted pixels that match
        any annotator, and all predicted pixels.

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
    is_predicted = np.zeros(levels.size, np.bool_)
    is_predicted[cells] = True
    predicted = np.flatnonzero(is_predicted).astype(np.int32)
    pixels = (np.cumsum(is_predicted, dtype=np.int32) - 1)[cells]
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
    """Count the set flags of each threshold: (P,) -> (T,), thresholds ascending.

    The kernels go through the thresholds in descending order, so the result is reversed.
    """
    total = np.concatenate(([0], np.cumsum(flags, dtype=np.int64)))
    return np.diff(total[starts])[::-1]


def pixel_graph(
    predicted: NDArray[np.int32], annotation: NDArray[np.bool_], max_dist_px: float
) -> "Graph":
    """Build the matching problem of one annotator, before any pixel is predicted.

    Args:
        predicted: Ascending flat indices into the annotation, of all pixels that are predicted at
            any threshold.
        annotation: (rows, columns) bool, with an empty margin of at least `max_dist_px` pixels.
        max_dist_px: The largest distance at which two pixels match.

    Returns:
        The graph that `featheredge.metrics.matching.track` takes.
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
    # Costs go into the high bits, a pseudo-random number for each pair into the low bits. The sum
    # of all these numbers stays below one unit of cost, so they only break ties between optima,
    # and the optimum does not depend on the order in which pixels are inserted.
    shift = 61 - penalty.bit_length()
    noise_bits = shift - len(annotated).bit_length()
    gains = (penalty - costs) << shift
    graph: Graph = connect(
        predicted, annotated, annotation.size, offsets, gains, (1 << noise_bits) - 1
    )
    return graph
