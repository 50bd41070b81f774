"""Timing in the project's manner: cases take turns in one run, on a machine that is described.

Absolute times depend on the machine and on what else it does; ratios between cases of one run
hardly do, because every round runs each case once.
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
    """How long one case took, in milliseconds, over `runs` rounds."""

    min_ms: float
    median_ms: float
    runs: int


class Clock(NamedTuple):
    """A way to read seconds since whenever, and what it reads in words."""

    name: str
    read: Callable[[], float]


def clock_for(threads: int) -> Clock:
    """The clock for cases that compute in so many threads.

    One thread's processor time is what a case takes, whatever else runs beside it. Windows counts
    that in steps of 16 ms, too coarse for what takes 20.
    """
    if threads == 1 and os.name != "nt":
        return Clock("processor time of the thread", time.thread_time)
    return Clock("elapsed time", time.perf_counter)


def time_cases(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] | None = None,
) -> dict[str, Timing]:
    """Time every case once per round, after one round that does not count.

    Args:
        cases: What to run, by name.
        rounds: At least 1.
        clock: Seconds since whenever, on the wall unless given; see `clock_for`.
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
    """What a reader needs to judge a timing: CPU, cores, load, versions, date (UTC)."""
    return {
        "cpu": cpu_model(),
        "cores": num_cores(),
        "load_1_min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def cpu_model() -> str:
    """The processor as the system calls it."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
