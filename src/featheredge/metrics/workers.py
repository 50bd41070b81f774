"""Worker processes for edge and saliency evaluation, and the error that names all bad pairs."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from featheredge.errors import EvaluationError
from featheredge.parent_process import end_with_parent

T = TypeVar("T")
R = TypeVar("R")

#: Called with the number of images done and their total.
Progress = Callable[[int, int], None]


@contextmanager
def process_pool(workers: int, num_pairs: int) -> Iterator[ProcessPoolExecutor | None]:
    """Yield a pool of worker processes, or None for one worker: this process then does the work.

    Args:
        workers: Number of processes.
        num_pairs: Number of pairs to work on; the pool is never larger.

    Raises:
        EvaluationError: A worker process died.
    """
    if workers == 1:
        yield None
        return
    # New processes: a child forked from a process with threads (plots, networks) can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, num_pairs), context, end_with_parent) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise EvaluationError(
                "a worker process died, perhaps because memory ran out; run the command again with "
                f"fewer than {workers} workers (stored counts are used again)"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def in_order(
    function: Callable[[T], R], items: Sequence[T], pool: ProcessPoolExecutor | None
) -> Iterator[R]:
    """Apply a function to all items, in the pool or in this process; results keep the order."""
    return pool.map(function, items) if pool else map(function, items)


def refuse(problems: Sequence[str], num_pairs: int) -> None:
    """Raise EvaluationError if there are problems; the message lists up to 20 of them.

    Args:
        problems: A sentence for each pair that cannot be scored.
        num_pairs: Number of all pairs.
    """
    if problems:
        shown = "\n  ".join([*problems[:20], *["..."] * (len(problems) > 20)])
        raise EvaluationError(f"{len(problems)} of {num_pairs} pairs cannot be scored:\n  {shown}")
