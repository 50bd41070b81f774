"""How long networks take: all of them in turns in ONNX Runtime, kept beside the report."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featheredge.session import Session
from featheredge.timing import Timing, clock_for, cpu_model, describe_machine, time_cases

#: Height and width of the picture that networks are timed on, and multiply-adds counted for.
PICTURE_PX = (321, 481)
THREADS = 1


@dataclass(frozen=True)
class Measurement:
    """Times of several networks, taken in turns in one run.

    Attributes:
        machine: What `featheredge.timing.describe_machine` said, ONNX Runtime's version, and which
            clock was read.
        times: sha256 of the network's file -> its times.
    """

    machine: Mapping[str, Any]
    times: Mapping[str, Timing]

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        times = {digest: asdict(timing) for digest, timing in self.times.items()}
        return {"machine": dict(self.machine), "threads": THREADS, "times": times}


def digest(file: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def input_size(session: Session) -> tuple[int, int]:
    """Height and width of the picture that a network is measured on: its own square, if any."""
    side = session.input_px
    return PICTURE_PX if side is None else (side, side)


def measure(sessions: Mapping[str, Session], rounds: int) -> Measurement:
    """Time networks in turns, each on noise of its own input size.

    Args:
        sessions: By the sha256 of the network's file, with `THREADS` threads.
        rounds: How often each is timed, after once that does not count.
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
    """Read an earlier measurement, if it serves: times of two runs cannot be compared.

    Args:
        file: The JSON beside an earlier report.
        digests: The networks' files; all must have been measured together.
        rounds: So many rounds at least.

    Returns:
        None where there is none, or it lacks a network, or was taken on another machine, with
        other threads or fewer rounds.
    """
    try:
        kept = json.loads(file.read_text("utf-8"))["speed"]
        times = {name: Timing(**timing) for name, timing in kept["times"].items()}
        same = (kept["threads"], kept["machine"]["cpu"]) == (THREADS, cpu_model())
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no report yet, or a file that is none; what is written then says so
    serves = same and all(name in times and times[name].runs >= rounds for name in digests)
    return Measurement(kept["machine"], times) if serves else None
