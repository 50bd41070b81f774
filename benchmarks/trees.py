"""Processes that run the code of one working tree each, to compare two versions interleaved."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: This argument makes a script answer requests on its standard input instead of running.
WORKER = "--worker"


class Tree:
    """A process that imports featheredge from one tree and answers requests."""

    def __init__(self, script: str, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, script, WORKER],
            env={**os.environ, "PYTHONPATH": str(root.resolve() / "src"), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, *request: Any) -> Any:
        """Send the arguments of `answer` to the process and return its result."""
        assert self._process.stdin
        assert self._process.stdout
        pickle.dump(request, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def serve(answer: Callable[..., Any]) -> None:
    """Answer requests until standard input ends."""
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(answer(*request), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def trees(script: str, against: Path | None) -> dict[str, Tree]:
    """Start a process for this tree, and one for another tree if there is one."""
    roots = {"here": Path(__file__).parent.parent, **({"against": against} if against else {})}
    return {name: Tree(script, root) for name, root in roots.items()}
