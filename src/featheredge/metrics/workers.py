"""Worker processes that go through the pairs of any kind of map, and how bad pairs are refused."""

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
