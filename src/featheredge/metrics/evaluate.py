"""Score a folder of maps: check everything first, then count images in parallel, once each.

How pairs are worked through and refused is the same for every kind of map. Counts of edges are
stored by content (map, annotations, protocol, version of the counting), so a run that was
interrupted goes on where it stopped, and a changed map is counted anew.
"""

import hashlib
import io
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from featheredge.errors import EvaluationError
from featheredge.files import write_bytes
from featheredge.metrics.correspond import VERSION, require_numba
from featheredge.metrics.edges import Counts, EdgeMetric, check_same_size, count_edges
from featheredge.metrics.protocol import EdgeProtocol, unit_values
from featheredge.metrics.scores import EdgeScores
from featheredge.metrics.sources import Pair, read_annotations, read_prediction
from featheredge.parent_process import end_with_parent

T = TypeVar("T")
R = TypeVar("R")


Progress = Callable[[int, int], None]


@contextmanager
def process_pool(workers: int, num_pairs: int) -> Iterator[ProcessPoolExecutor | None]:
    """Give worker processes, or None where one process is all that is asked for.

    Raises:
        EvaluationError: a worker died.
    """
    if workers == 1:
        yield None
        return
    # Fresh processes: forking a process that has threads (plots, networks) can hang the child.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, num_pairs), context, end_with_parent) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise EvaluationError(
                "a worker process died, perhaps for want of memory; what is counted and stored is "
                f"kept: run again, with fewer than {workers} workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def in_order(
    function: Callable[[T], R], items: Sequence[T], pool: ProcessPoolExecutor | None
) -> Iterator[R]:
    """Yield results in the order of the items, computed here or by the pool."""
    return pool.map(function, items) if pool else map(function, items)


def refuse(problems: Sequence[str], num_pairs: int) -> None:
    """Raise EvaluationError that names every pair with a problem, if there is any."""
    if problems:
        shown = "\n  ".join([*problems[:20], *["..."] * (len(problems) > 20)])
        raise EvaluationError(f"{len(problems)} of {num_pairs} cannot be scored:\n  {shown}")


@dataclass(frozen=True)
class Inspection:
    """What a first look at a pair found: the key of its content, or else what is wrong with it."""

    key: str
    problem: str | None = None


def evaluate(
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
