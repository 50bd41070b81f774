"""The speed of a batch: pictures per second, and the share of each stage."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from featheredge.batch.pipeline import Result
from featheredge.stages import STAGES, Stage


class Speed:
    """Measures a batch while its results pass through.

    Attributes:
        num_pictures: Pictures that were written.
        seconds: Elapsed time from the first request for a result to the last result.
    """

    def __init__(self) -> None:
        self.num_pictures = 0
        self.seconds = 0.0
        self._stages: Counter[Stage] = Counter()

    def measured(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the results unchanged."""
        started = time.perf_counter()
        for result in results:
            self.seconds = time.perf_counter() - started
            if result.error is None and not result.skipped:
                self.num_pictures += 1
                self._stages.update(result.stages)
            yield result

    @property
    def pictures_per_s(self) -> float:
        """Written pictures per second of elapsed time."""
        return self.num_pictures / self.seconds if self.seconds else 0.0

    @property
    def shares(self) -> dict[Stage, float]:
        """Each stage's share of the time of all written pictures, in [0, 1]."""
        total = sum(self._stages.values())
        return {stage: self._stages[stage] / total for stage in STAGES} if total else {}

    def as_dict(self, workers: int) -> dict[str, Any]:
        """Return the numbers for --json."""
        return {
            "pictures_per_s": round(self.pictures_per_s, 2),
            "seconds": round(self.seconds, 3),
            "workers": workers,
            "stages": {stage: round(share, 4) for stage, share in self.shares.items()},
        }

    def __str__(self) -> str:
        """Return numbers such as "81 pictures/s (network 62%, encode 25%, decode 8%)"."""
        ordered = sorted(self.shares.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{stage} {share:.0%}" for stage, share in ordered if share >= 0.05)
        rate = self.pictures_per_s
        return f"{rate:.{0 if rate >= 10 else 1}f} pictures/s ({shown})"
