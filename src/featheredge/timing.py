"""Interleaved timing of several cases in one run, and a description of the machine.

Absolute times depend on the machine and on its load. Ratios between the cases of one run depend
little on either, because every round runs each case once.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

#: Names in /proc/cpuinfo of vector instructions for float32, int8 and bfloat16.
_FEATURES = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "bf16",
    "i8mm",
)


@dataclass(frozen=True)
class Timing:
    """The time of one case.

    Attributes:
        min_ms: Minimum time of all rounds, in milliseconds.
        median_ms: Median time of all rounds, in milliseconds.
        runs: Number of rounds.
        iqr_ms: Interquartile range, the spread of the middle half of the rounds; None in files of
            earlier versions.
    """

    min_ms: float
    median_ms: float
    runs: int
    iqr_ms: float | None = None


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

    For one thread it is the processor time of the process, which other programs disturb little;
    some runtimes compute in a thread of their own. Windows counts processor time in steps of
    16 ms, too coarse for cases of about 20 ms.
    """
    if threads == 1 and os.name != "nt":
        return Clock("processor time", time.process_time)
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
    rounds_ms = time_rounds(cases, rounds, clock)
    return {name: summarise(measured) for name, measured in rounds_ms.items()}


def time_rounds(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] | None = None,
) -> dict[str, list[float]]:
    """Return the milliseconds of every case in every round, after one warm-up round.

    Args:
        cases: See `time_cases`.
        rounds: See `time_cases`.
        clock: See `time_cases`.
    """
    clock = clock or time.perf_counter
    rounds_ms: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, case in cases.items():
            started = clock()
            case()
            rounds_ms[name].append(1e3 * (clock() - started))
    return {name: measured[1:] for name, measured in rounds_ms.items()}


def summarise(rounds_ms: Sequence[float]) -> Timing:
    """Return minimum, median and interquartile range of the rounds of one case."""
    quarters = statistics.quantiles(rounds_ms, method="inclusive") if len(rounds_ms) > 1 else None
    return Timing(
        min_ms=round(min(rounds_ms), 4),
        median_ms=round(statistics.median(rounds_ms), 4),
        runs=len(rounds_ms),
        iqr_ms=round(quarters[2] - quarters[0], 4) if quarters else 0.0,
    )


def paired_ratio(rounds_ms: Sequence[float], baseline_ms: Sequence[float]) -> float:
    """Return the time of a case over that of a baseline: the median of the ratios of each round.

    Both ran in the same rounds, so each ratio compares two times of nearly the same moment.
    """
    return statistics.median(a / b for a, b in zip(rounds_ms, baseline_ms, strict=True))


def in_words(seconds: float) -> str:
    """Format a duration to plan with, such as "2 h 10 min"."""
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
        "load_1_min": load_1_min(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def load_1_min() -> float | None:
    """Return the mean number of threads that ran or waited in the last minute; None if unknown."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def cpu_features() -> list[str]:
    """Return the vector instructions of the processor that inference can use; empty if unknown."""
    flags = {*_cpuinfo("flags").split(), *_cpuinfo("Features").split()}  # x86, ARM
    return [name for name in _FEATURES if name in flags]


def cpu_model() -> str:
    """Return the name of the processor, as the operating system gives it."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> str:
    """Return the first line of a field in Linux's description of the processor, or nothing."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith(field):
            return line.partition(":")[2].strip()
    return ""


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
