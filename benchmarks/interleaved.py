"""Timing in the project's manner: cases take turns in one run, on a machine that is described.

Absolute times depend on the machine and on what else it does; ratios between cases of one run
hardly do, because every round runs each case once.
"""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def time_cases(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, Any]]:
    """Time every case once per round, after one round that does not count.

    Returns:
        For each case its min and median in milliseconds, and how often it ran.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, case in cases.items():
            started = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - started)
    return {
        name: {
            "min_ms": round(1e3 * min(measured[1:]), 2),
            "median_ms": round(1e3 * statistics.median(measured[1:]), 2),
            "runs": rounds,
        }
        for name, measured in seconds.items()
    }


def write_result(name: str, measured: Mapping[str, Any]) -> None:
    """Keep what was measured as results/<name>.json, with where and when; print it too."""
    text = json.dumps({"machine": describe_machine(), **measured}, indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def describe_machine() -> dict[str, Any]:
    """What a reader needs to judge a timing: CPU, cores, load, versions, commit, date."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "load_1_min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _commit() -> str:
    """The commit that was measured, with "-changed" where tracked files differ from it."""
    command = ["git", "describe", "--always", "--dirty=-changed"]
    here = Path(__file__).parent
    return subprocess.run(
        command, cwd=here, capture_output=True, text=True, check=True
    ).stdout.strip()
