"""The number of threads for inference, and what `threads="auto"` chooses."""

import os
from typing import Literal, TypeAlias

from featheredge.errors import ArgumentError
from featheredge.timing import load_1_min, num_cores

Threads: TypeAlias = int | Literal["auto"]

#: More threads than this are not measured, so "auto" does not take them.
MOST_MEASURED = 2


def auto_threads(cores: int, load: float) -> int:
    """Return the number of threads for a machine: its idle cores, 1 to `MOST_MEASURED`.

    Two threads take 0.6 to 0.7 of the time of one on an idle machine. Where other programs keep
    the cores busy, they gain nothing and can lose: every layer waits for the slower thread.
    `python benchmarks/bench_threads.py` measures both.

    Args:
        cores: Cores that this process may use.
        load: Mean number of threads that ran or waited in the last minute.
    """
    return max(1, min(cores - round(load), MOST_MEASURED))


def resolve_threads(threads: Threads) -> int:
    """Return the number of threads that `threads` stands for on this machine.

    Raises:
        ArgumentError: It is neither "auto" nor from 1 to four per core.
    """
    if threads == "auto":
        return auto_threads(num_cores(), load_1_min() or 0.0)
    most = 4 * (os.cpu_count() or 1)
    if not isinstance(threads, int) or not 1 <= threads <= most:
        raise ArgumentError(
            f"threads is {threads}; expected 1 to {most}, four per core of this machine, or 'auto'"
        )
    return threads
