"""Evaluation of a folder of edge maps: check all files, then count in parallel, with a cache.

Counts are stored under a hash of the map, the annotations, the protocol and the version of the
counting. An interrupted evaluation therefore resumes, and a changed map is counted again.
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
    """The result of checking one pair.

    Attributes:
        key: Hash of its content; empty if the pair cannot be scored.
        problem: Why the pair cannot be scored, or None.
    """

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
    """Score every pair of a map and its annotations.

    The result does not depend on the number of workers.

    Args:
        pairs: Maps and their annotations.
        protocol: Settings of the benchmark.
        workers: Number of processes. A script that uses more than one needs a
            `if __name__ == "__main__":` guard.
        cache: Folder of stored counts; None switches the cache off.
        progress: Called with the number of images counted and their total.

    Raises:
        EvaluationError: Some pairs cannot be scored; the message names them, and no image has
            been counted. Or a worker process died.
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
    """Count one image, or read its stored counts; (T, 4)."""
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
