"""Where the time of a picture goes: the seconds of each stage from reading to writing.

`record` measures in the calling thread; `stage` assigns the time of its body to a stage. Stages
may contain each other: a stage's time does not include the stages inside it. Without `record`,
`stage` measures nothing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Stage = Literal["read", "decode", "network", "post-processing", "encode", "write"]

STAGES: tuple[Stage, ...] = ("read", "decode", "network", "post-processing", "encode", "write")
"""All stages, in the order of the path from a file to a file."""


class _Recording:
    """The times of one picture, and the stage that its thread is in."""

    def __init__(self, first: Stage) -> None:
        self.seconds: dict[Stage, float] = {}
        self.stage = first
        self._since = time.perf_counter()

    def enter(self, stage: Stage) -> Stage:
        """Begin a stage and return the one that ends."""
        now = time.perf_counter()
        ended = self.stage
        self.seconds[ended] = self.seconds.get(ended, 0.0) + now - self._since
        self.stage, self._since = stage, now
        return ended


class _ThreadState(threading.local):
    recording: _Recording | None = None


_this_thread = _ThreadState()


@contextmanager
def record(first: Stage) -> Iterator[dict[Stage, float]]:
    """Measure the stages of the body.

    Args:
        first: The stage of all time that the body spends in no other stage.

    Yields:
        Seconds by stage, complete when the body ends.
    """
    outer, _this_thread.recording = _this_thread.recording, _Recording(first)
    recording = _this_thread.recording
    try:
        yield recording.seconds
    finally:
        recording.enter(first)
        _this_thread.recording = outer


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Assign the time of the body, or of a decorated function, to a stage."""
    recording = _this_thread.recording
    if recording is None:
        yield
        return
    outer = recording.enter(name)
    try:
        yield
    finally:
        recording.enter(outer)
