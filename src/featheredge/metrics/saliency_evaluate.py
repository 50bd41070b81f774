"""Evaluation of a folder of saliency maps: check all files, then count in parallel."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.metrics.edge_counts import require_numba
from featheredge.metrics.map_files import Pair, read_mask, read_saliency_map
from featheredge.metrics.saliency_metric import (
    SaliencyMetric,
    check_not_transposed,
    count_saliency,
    map_levels,
    mask_levels,
)
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.metrics.saliency_scores import SaliencyCounts, SaliencyScores
from featheredge.metrics.workers import Progress, in_order, process_pool, refuse


def evaluate_saliency(
    pairs: Sequence[Pair],
    protocol: SaliencyProtocol,
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> SaliencyScores:
    """Score every pair of a map and its mask.

    The result does not depend on the number of workers.

    Args:
        pairs: Maps and their masks.
        protocol: Conventions of the scores.
        workers: Number of processes. A script that uses more than one needs a
            `if __name__ == "__main__":` guard.
        progress: Called with the number of images counted and their total.

    Raises:
        EvaluationError: Some pairs cannot be scored; the message names them, and no image has
            been counted. Or a worker process died.
        MissingExtraError: numba is not installed.
    """
    require_numba()
    metric = SaliencyMetric(protocol)
    with process_pool(workers, len(pairs)) as pool:
        problems = in_order(_problem, pairs, pool)
        refuse([problem for problem in problems if problem], len(pairs))
        for done, counts in enumerate(in_order(partial(_count, protocol), pairs, pool), start=1):
            metric.add(pairs[done - 1].name, counts)
            if progress:
                progress(done, len(pairs))
    return metric.compute()


def _problem(pair: Pair) -> str | None:
    """Return why a pair cannot be scored, or None."""
    try:
        map, mask = _read(pair)
        check_not_transposed(map_levels(map).shape, mask_levels(mask).shape)
    except EvaluationError as error:
        return f"{pair.name}: {error}"
    return None


def _count(protocol: SaliencyProtocol, pair: Pair) -> SaliencyCounts:
    return count_saliency(*_read(pair), protocol)


def _read(pair: Pair) -> tuple[NDArray[np.generic], NDArray[np.uint8]]:
    return read_saliency_map(pair.prediction), read_mask(pair.annotation)
