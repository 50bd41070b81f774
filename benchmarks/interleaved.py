"""Results of timings, kept as files: what was measured, on which machine, at which commit."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from featheredge import timing

RESULTS = Path(__file__).parent / "results"


def time_cases(cases: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, Any]]:
    """As `featheredge.timing.time_cases`, ready for JSON."""
    return {name: asdict(timed) for name, timed in timing.time_cases(cases, rounds).items()}


def write_result(name: str, measured: Mapping[str, Any]) -> None:
    """Keep what was measured as results/<name>.json, with where and when; print it too."""
    machine = {**timing.describe_machine(), "commit": _commit()}
    text = json.dumps({"machine": machine, **measured}, indent=2)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def _commit() -> str:
    """The commit that was measured, with "-changed" where tracked files differ from it."""
    command = ["git", "describe", "--always", "--dirty=-changed"]
    here = Path(__file__).parent
    return subprocess.run(
        command, cwd=here, capture_output=True, text=True, check=True
    ).stdout.strip()
