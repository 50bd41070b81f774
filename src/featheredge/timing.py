"""Interleaved timing of several cases in one run, and a description of the machine.

Absolute times depend on the machine and on its load. Ratios between the cases of one run depend
little on either, because every round runs each case once.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Timing:
    """The time of one case.

    Attributes:
        min_ms: Minimum time of all rounds, in milliseconds.
        median_ms: Median time of all rounds, in milliseconds.
        runs: Number of rounds.
    """

    min_ms: float
    median_ms: float
    runs: int


class Clock(NamedTuple):
    """A clock.

    Attributes:
        name: What the clock measures, in words.
        read: Returns seconds since an arbitrary start.
    """

    name: str
    read: Callable[[], float]


def clock_for(threads: int) -> Clock:
    """Return the clock for cases that compute in a number of threads.

    For one thread it is the processor time of the thread, which other programs disturb little.
    Windows counts processor time in steps of 16 ms, too coarse for cases of about 20 ms.
    """
    if threads == 1 and os.name != "nt":
        return Clock("processor time of the thread", time.thread_time)
    return Clock("elapsed time", time.perf_counter)


def time_cases(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] | None = None,
) -> dict[str, Timing]:
    """Time every case once per round, after one warm-up round.

    Args:
        cases: Functions to time, by name.
        rounds: Number of rounds, at least 1.
        clock: Returns seconds; wall time by default, see `clock_for`.
    """
    clock = clock or time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, case in cases.items():
            started = clock()
            case()
            seconds[name].append(clock() - started)
    return {
        name: Timing(
            min_ms=round(1e3 * min(measured[1:]), 4),
            median_ms=round(1e3 * statistics.median(measured[1:]), 4),
            runs=rounds,
        )
        for name, measured in seconds.items()
    }


def in_words(seconds: float) -> str:
    """A duration to plan with, such as "2 h 10 min"."""
    minutes = round(seconds / 60)
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours / 24:.1f} days"


def describe_machine() -> dict[str, Any]:
    """Return what a reader needs to judge a timing: CPU, cores, load, versions, date (UTC)."""
    return {
        "cpu": cpu_model(),
        "cores": num_cores(),
        "load_1_min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu_model() -> str:
    """Return the name of the processor, as the operating system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
