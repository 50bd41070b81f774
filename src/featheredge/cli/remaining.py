"""How long a training run will take, from the time of its first steps."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from featheredge.timing import in_words

if TYPE_CHECKING:
    from featheredge.training.log import Length

#: Steps that are timed. The first step of a run is slower than others and does not count.
_NUM_TIMED = 10


class RemainingTime:
    """Estimates the remaining time of a run once; the next run gets an estimate of its own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first = self._last = 0
        self._started = 0.0

    def after(self, step: int, length: "Length") -> str | None:
        """Take note of a step that is done.

        Returns:
            The estimate in one line, after the first steps of a run; else None.
        """
        if step <= self._last or self._last == 0:
            self._first, self._started = step, self._clock()
        self._last = step
        if step - self._first != _NUM_TIMED:
            return None
        step_s = (self._clock() - self._started) / _NUM_TIMED
        remaining = in_words(step_s * (length.steps - step))
        return f"step {step}/{length.steps}: about {remaining} left, {step_s:.2g} s a step"
