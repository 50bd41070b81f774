"""The folder of a run: what its files are called, who may write in it; where recipes are.

A training run holds `RECIPE_FILE`, `LOG_FILE`, `CHECKPOINT_FILE` and `MODEL_DIR`. A pruning run
holds `RECIPE_FILE`, `PLAN_FILE`, `TIMES_FILE`, `REPORT_FILE` and one folder per step with
`MODEL_DIR`, `NETWORK_FILE`, `SCORE_FILE` and `STEP_FILE`.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from featheredge.errors import OutputError
from featheredge.file_lock import try_lock

#: The shipped recipes, `NAME.toml`.
RECIPES_DIR = Path(__file__).parent / "recipes"

#: Recipes to start from, TASK.toml; `featheredge new-recipe` copies them.
MINIMAL_RECIPES_DIR = RECIPES_DIR / "minimal"

#: The recipe that the run used, with all settings.
RECIPE_FILE = "recipe.json"

#: In a training run: the log, one JSON object per line, and the state to resume from.
LOG_FILE, CHECKPOINT_FILE = "log.jsonl", "checkpoint.safetensors"

#: The folder of a trained or pruned network; `featheredge.models.build` reads and writes it.
MODEL_DIR = "model"

#: An exported network and its scores.
NETWORK_FILE, SCORE_FILE = "network.onnx", "score.json"

#: In a pruning run: channel counts, convolution times, and a comparison of all steps.
PLAN_FILE, TIMES_FILE, REPORT_FILE = "plan.json", "latency.json", "report.json"

#: The measurements of one pruning step; written last, so it marks the step as complete.
STEP_FILE = "step.json"

#: What the process that writes in a folder holds a lock on; it has the number of that process.
LOCK_FILE = ".lock"

#: Seconds between two tries of a process that waits for a lock.
_POLL_S = 0.2


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Let one process at a time write in a folder, which is created if absent.

    The operating system frees the lock when the process ends, however it ends. The file of a
    process that was killed is used again, and removed by the next one that ends well.

    Args:
        folder: The folder.
        wait: Wait until no other process holds the lock.

    Raises:
        OutputError: Another process holds the lock and `wait` is false, or the folder cannot be
            written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _hold(folder, wait)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    with file:
        try:
            yield
        finally:
            with suppress(OSError):  # Windows does not remove an open file
                (folder / LOCK_FILE).unlink()


def _hold(folder: Path, wait: bool) -> BinaryIO:
    """Open the lock file and take its lock."""
    path = folder / LOCK_FILE
    while True:
        file = path.open("a+b")
        if not try_lock(file):
            holder = _holder(file)
            file.close()
            if wait:
                time.sleep(_POLL_S)
                continue
            raise OutputError(
                f"{folder}: {holder} is working in this folder; wait until it ends, or give "
                "another folder with --output"
            )
        if not _is_removed(file, path):
            break
        file.close()
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file


def _is_removed(file: BinaryIO, path: Path) -> bool:
    """Return whether a process that ended has removed the file since it was opened."""
    try:
        return sys.platform != "win32" and not os.path.samestat(
            os.fstat(file.fileno()), path.stat()
        )
    except FileNotFoundError:
        return True


def _holder(file: BinaryIO) -> str:
    """Name the process that has the lock."""
    try:
        file.seek(0)
        return f"process {int(file.read(20))}"
    except (OSError, ValueError):  # Windows does not let others read a locked file
        return "another process"
