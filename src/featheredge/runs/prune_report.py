"""Store the results of pruning steps, and print them as one table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from featheredge.files import write_json
from featheredge.run_folder import STEP_FILE
from featheredge.text_files import read_json
from featheredge.timing import Timing, clock_for, describe_machine, time_cases


@dataclass(frozen=True)
class PruneStep:
    """The results of a completed step.

    Attributes:
        name: Name of the step and of its folder.
        num_params: Number of parameters of its network.
        multiply_adds: Multiply-adds for one picture of the recipe's size.
        errors: Group -> error of its readers compared with the unpruned network, see
            `featheredge.pruning.group_error.GroupError`; empty if the step does not prune.
        measure: Name of the score, such as "ODS"; None if there is no score.
        score: Score from 0 to 1 on the recipe's data.val_splits.
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
        """Write the results to the step's folder, which marks the step as completed."""
        write_json(folder / STEP_FILE, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "PruneStep":
        """Read the results that `write` wrote."""
        return cls(**read_json(folder / STEP_FILE))

    def __str__(self) -> str:
        parts = [f"{self.num_params:,} parameters", f"{self.multiply_adds / 1e9:.3f} GMAC"]
        if self.score is not None:
            parts.append(f"{self.measure} {self.score:.4f}")
        if self.mean_error is not None:
            parts.append(f"mean error per group {self.mean_error:.4f}")
        return f"{self.name}: {', '.join(parts)}"


@dataclass(frozen=True)
class PruneReport:
    """All steps of a run with interleaved timings; prints as a table.

    Attributes:
        steps: The steps in order, the unpruned network first.
        times: Step -> milliseconds for one picture, all from one run.
        size: Height and width of that picture in pixels.
        threads: Threads of ONNX Runtime.
        machine: The machine, see `featheredge.timing.describe_machine`.
    """

    steps: tuple[PruneStep, ...]
    times: dict[str, Timing]
    size: tuple[int, int]
    threads: int
    machine: dict[str, Any]

    def share(self, step: PruneStep) -> float:
        """Return the step's minimum time over that of the first step."""
        return self.times[step.name].min_ms / self.times[self.steps[0].name].min_ms

    def to_dict(self) -> dict[str, Any]:
        """Return all values, ready for JSON."""
        rows = [
            {**asdict(step), "mean_error": step.mean_error, "share_of_time": self.share(step)}
            for step in self.steps
        ]
        return {**asdict(self), "steps": rows}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "PruneReport":
        """Rebuild a report from the return value of `to_dict`."""
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
            f"{runs} rounds, interleaved, {self.machine['cpu']}, load {self.machine['load_1_min']}",
            f"time: min ms over that of {self.steps[0].name}; error: squared error over the "
            "variance of the unpruned layers' outputs, mean of the pruned groups",
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
    """Time the networks of all steps, interleaved, and make the report.

    Args:
        steps: The steps in order.
        cases: Step -> function that runs its network on one picture.
        size: Height and width of that picture in pixels.
        threads: Threads of ONNX Runtime.
        rounds: Number of runs of each network.
    """
    machine = describe_machine()
    times = time_cases(cases, rounds, clock_for(threads).read)
    return PruneReport(tuple(steps), times, size, threads, machine)
