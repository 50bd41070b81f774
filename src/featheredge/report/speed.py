"""Times of networks in ONNX Runtime, interleaved in one run and stored beside the report."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featheredge.session import Session
from featheredge.text_files import read_json
from featheredge.timing import Timing, clock_for, cpu_model, describe_machine, time_cases

#: Height and width of the picture for times and multiply-adds.
PICTURE_PX = (321, 481)
THREADS = 1


@dataclass(frozen=True)
class Measurement:
    """Times of several networks, interleaved in one run.

    Attributes:
        machine: Output of `featheredge.timing.describe_machine`, the version of ONNX Runtime, and
            the name of the clock.
        times: sha256 of a network's file -> its times.
    """

    machine: Mapping[str, Any]
    times: Mapping[str, Timing]

    def to_dict(self) -> dict[str, Any]:
        """Return the machine, the number of threads and all times, ready for JSON."""
        times = {digest: asdict(timing) for digest, timing in self.times.items()}
        return {"machine": dict(self.machine), "threads": THREADS, "times": times}


def digest(file: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def input_size(session: Session) -> tuple[int, int]:
    """Return height and width of the picture for a network: its fixed square, or `PICTURE_PX`."""
    side = session.input_px
    return PICTURE_PX if side is None else (side, side)


def measure(sessions: Mapping[str, Session], rounds: int) -> Measurement:
    """Time networks interleaved, each on a picture of noise of its input size.

    Args:
        sessions: sha256 of a network's file -> a session with `THREADS` threads.
        rounds: Number of rounds, after one warm-up round.
    """
    import onnxruntime

    random = np.random.default_rng(0)

    def case(session: Session) -> Callable[[], object]:
        picture = random.integers(0, 256, (*input_size(session), 3), np.uint8)
        return lambda: session(picture)

    cases = {digest: case(session) for digest, session in sessions.items()}
    clock = clock_for(THREADS)
    machine = {
        **describe_machine(),
        "onnxruntime": onnxruntime.__version__,
        "clock": clock.name,
    }
    return Measurement(machine, time_cases(cases, rounds, clock.read))


def stored(file: Path, digests: Sequence[str], rounds: int) -> Measurement | None:
    """Read the stored times of an earlier report, if they can be used again.

    Times of two runs cannot be compared, so all networks must have been timed in the same run.

    Args:
        file: The JSON file beside an earlier report.
        digests: sha256 of every network's file.
        rounds: The least number of rounds.

    Returns:
        The stored times, or None if there are none, a network is missing, or they come from
        another processor, another number of threads or fewer rounds.
    """
    try:
        kept = read_json(file)["speed"]
        times = {name: Timing(**timing) for name, timing in kept["times"].items()}
        same = (kept["threads"], kept["machine"]["cpu"]) == (THREADS, cpu_model())
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no earlier report, or not a report: measure again
    usable = same and all(name in times and times[name].runs >= rounds for name in digests)
    return Measurement(kept["machine"], times) if usable else None
