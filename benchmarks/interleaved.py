"""Interleaved timing for the benchmark scripts, and their result files with machine and commit."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from featheredge import timing
from featheredge.bench.machine import commit

#: Environment variable with a folder for the results, in place of benchmarks/results.
RESULTS_VARIABLE = "BENCHMARK_RESULTS"


def time_cases(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, Any]]:
    """Return the times of `featheredge.timing.time_cases`, ready for JSON."""
    return {name: asdict(timed) for name, timed in timing.time_cases(cases, rounds).items()}


def write_result(name: str, measured: Mapping[str, Any]) -> None:
    """Write a result to results/NAME.json with machine, commit and date, and print it."""
    machine = {**timing.describe_machine(), "commit": commit()}
    text = json.dumps({"machine": machine, **measured}, indent=2)
    folder = Path(os.environ.get(RESULTS_VARIABLE) or Path(__file__).parent / "results")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
