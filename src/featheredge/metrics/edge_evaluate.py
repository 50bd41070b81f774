"""Score a folder of edge maps: check everything first, then count images in parallel, once each.

Counts are stored by content (map, annotations, protocol, version of the counting), so a run that
was interrupted goes on where it stopped, and a changed map is counted anew.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from featheredge.errors import EvaluationError
from featheredge.files import write_bytes
from featheredge.metrics.edge_counts import VERSION, require_numba
from featheredge.metrics.edge_metric import Counts, EdgeMetric, check_same_size, count_edges
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.metrics.map_files import Pair, read_annotations, read_prediction
from featheredge.metrics.map_values import unit_values
from featheredge.metrics.workers import Progress, in_order, process_pool, refuse


@dataclass(frozen=True)
class Inspection:
    """What a first look at a pair found: the key of its content, or else what is wrong with it."""

    key: str
    problem: str | None = None


def evaluate_edges(
    pairs: Sequence[Pair],
    protocol: EdgeProtocol,
    *,
    workers: int = 1,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> EdgeScores:
    """Score every pair; the result does not depend on the number of workers.

    Args:
        pairs: what to score.
        protocol: how.
        workers: processes. With more than one, a script needs its ``__main__`` guard.
        cache: folder of stored counts; None to store none and use none.
        progress: called with the number of images counted and their total.

    Raises:
        EvaluationError: pairs that cannot be scored (all are named), before any is counted; or a
            worker process that died.
        MissingExtraError: numba or scipy is not installed.
    """
    require_numba()
    metric = EdgeMetric(protocol)
    with process_pool(workers, len(pairs)) as pool:
        inspections = list(in_order(partial(_inspect, protocol), pairs, pool))
        refuse([found.problem for found in inspections if found.problem], len(pairs))
        jobs = [
            (pair, cache / f"{found.key}.npy" if cache else None)
            for pair, found in zip(pairs, inspections, strict=True)
        ]
        for done, counts in enumerate(in_order(partial(_count, protocol), jobs, pool), start=1):
            metric.add(pairs[done - 1].name, counts)
            if progress:
                progress(done, len(pairs))
    return metric.compute()


def _inspect(protocol: EdgeProtocol, pair: Pair) -> Inspection:
    try:
        edge_map = read_prediction(pair.prediction)
        annotations = read_annotations(pair.annotation)
        unit_values(edge_map)
        check_same_size(edge_map.shape, annotations.shape[1:])
    except EvaluationError as error:
        return Inspection("", f"{pair.name}: {error}")
    content = hashlib.sha256(f"{VERSION} {protocol!r}".encode())
    for array in (edge_map, annotations):
        content.update(f"{array.dtype} {array.shape}".encode())
        content.update(array.tobytes())
    return Inspection(content.hexdigest())


def _count(protocol: EdgeProtocol, job: tuple[Pair, Path | None]) -> Counts:
    """Count one image, or read what was counted before; (T, 4)."""
    pair, stored = job
    if stored and stored.is_file():
        counts: Counts = np.load(stored, allow_pickle=False)
        return counts
    counts = count_edges(
        read_prediction(pair.prediction), read_annotations(pair.annotation), protocol
    )
    if stored:
        encoded = io.BytesIO()
        np.save(encoded, counts)
        write_bytes(stored, encoded.getvalue())
    return counts
