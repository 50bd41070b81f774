"""The log of a run: one JSON line for each step and each validation."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featheredge.files import write_bytes

Record = dict[str, Any]


@dataclass(frozen=True)
class Length:
    """The number of steps of a run, fixed before it starts."""

    steps_per_epoch: int
    epochs: int

    @property
    def steps(self) -> int:
        """Number of optimiser steps of the whole run."""
        return self.steps_per_epoch * self.epochs


LogCallback = Callable[[Record, Length], None]


class Log:
    """Appends lines to a file and passes each to a callback.

    Args:
        path: The file.
        step: The step that the run resumes after; later lines are dropped.
        length: Passed to `on_record` with every line.
        on_record: Called with every line.
    """

    def __init__(self, path: Path, step: int, length: Length, on_record: LogCallback) -> None:
        self._path, self._length, self._on_record = path, length, on_record
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith(b"\n") and _step_of(line) <= step]
            write_bytes(path, b"".join(kept))

    def write(self, record: Record) -> None:
        """Append a line; it must have a `step`."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._on_record(record, self._length)


def _step_of(line: bytes) -> int:
    return int(json.loads(line)["step"])
