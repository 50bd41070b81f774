"""What each step of a pruning run left, and the report that sets them side by side."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from featheredge.files import write_json
from featheredge.run_folder import STEP_FILE
from featheredge.timing import Timing, clock_for, describe_machine, time_cases


@dataclass(frozen=True)
class PruneStep:
    """A step that is done.

    Attributes:
        name: also of its folder.
        num_params: numbers that the network has been left with.
        multiply_adds: for one picture of the recipe's size.
        errors: group -> how far its readers are from the unpruned network's answers, see
            `featheredge.pruning.prune.GroupError`; of steps that prune.
        measure: what `score` is, such as "ODS"; None where nothing is scored.
        score: from 0 to 1, on the recipe's data.val_splits.
    """

    name: str
    num_params: int
    multiply_adds: float
    errors: dict[str, float]
    measure: str | None = None
    score: float | None = None

    @property
    def mean_error(self) -> float | None:
        """The mean of `errors`."""
        return sum(self.errors.values()) / len(self.errors) if self.errors else None

    def write(self, folder: Path) -> None:
        """Note in the step's folder that it is done, which is what says so."""
        write_json(folder / STEP_FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "PruneStep":
        """What `write` noted."""
        return cls(**json.loads((folder / STEP_FILE).read_bytes()))

    def __str__(self) -> str:
        facts = [f"{self.num_params:,} parameters", f"{self.multiply_adds / 1e9:.3f} GMAC"]
        if self.score is not None:
            facts.append(f"{self.measure} {self.score:.4f}")
        if self.mean_error is not None:
            facts.append(f"mean error per layer {self.mean_error:.4f}")
        return f"{self.name}: {', '.join(facts)}"


@dataclass(frozen=True)
class PruneReport:
    """All steps of a run, timed in turns; printing it gives the table.

    Attributes:
        steps: in their order, the unpruned network first.
        times: step -> milliseconds for one picture, all from one run.
        size: height and width of that picture.
        threads: threads that computed it.
        machine: what it was timed on, see `featheredge.timing.describe_machine`.
    """

    steps: tuple[PruneStep, ...]
    times: dict[str, Timing]
    size: tuple[int, int]
    threads: int
    machine: dict[str, Any]

    def share(self, step: PruneStep) -> float:
        """The step's time over that of the first step, both the least of their rounds."""
        return self.times[step.name].min_ms / self.times[self.steps[0].name].min_ms

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        rows = [
            {**asdict(step), "mean_error": step.mean_error, "share_of_time": self.share(step)}
            for step in self.steps
        ]
        return {**asdict(self), "steps": rows}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "PruneReport":
        """What `to_dict` gave."""
        fields = PruneStep.__dataclass_fields__
        steps = tuple(PruneStep(**{k: row[k] for k in fields}) for row in stored["steps"])
        times = {name: Timing(**timing) for name, timing in stored["times"].items()}
        height, width = stored["size"]
        return cls(steps, times, (height, width), stored["threads"], stored["machine"])

    def __str__(self) -> str:
        measure = next((step.measure for step in self.steps if step.measure), "score")
        lines = [
            f"{'step':16} {'params':>11} {'GMAC':>8} {'min ms':>8} {'median':>8} "
            f"{'time':>6} {measure:>7} {'error':>7}"
        ]
        lines += [self._line(step) for step in self.steps]
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        runs = self.times[self.steps[0].name].runs
        lines += [
            f"GMAC, ms: one picture of {self.size[0]}x{self.size[1]}; ONNX Runtime, {threads}, "
            f"{runs} rounds in turns on {self.machine['cpu']}, load {self.machine['load_1_min']}",
            f"time: least ms over that of {self.steps[0].name}; error: squared, over the variance "
            "of the unpruned layers' answers, mean of the pruned groups",
        ]
        return "\n".join(lines)

    def _line(self, step: PruneStep) -> str:
        timing = self.times[step.name]
        score = "" if step.score is None else f"{step.score:.4f}"
        error = "" if step.mean_error is None else f"{step.mean_error:.4f}"
        return (
            f"{step.name:16} {step.num_params:11,} {step.multiply_adds / 1e9:8.3f} "
            f"{timing.min_ms:8.2f} {timing.median_ms:8.2f} {self.share(step):6.3f} "
            f"{score:>7} {error:>7}"
        )


def time_steps(
    steps: Sequence[PruneStep],
    cases: Mapping[str, Callable[[], object]],
    *,
    size: tuple[int, int],
    threads: int,
    rounds: int,
) -> PruneReport:
    """Time the steps' networks in turns, and put everything together.

    Args:
        steps: in their order.
        cases: step -> its network on one picture.
        size: height and width of that picture.
        threads: threads that compute it.
        rounds: how often each network runs.
    """
    machine = describe_machine()
    times = time_cases(cases, rounds, clock_for(threads).read)
    return PruneReport(tuple(steps), times, size, threads, machine)
