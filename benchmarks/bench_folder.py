"""Pictures per second from JPEG files to PNG files: one and two workers, and two processes.

A temporary folder gets pictures of 481x321 pixels, cut from the example photos. Every round runs
each case once, as a command of its own; pictures per second leave its start-up out. Quote the
ratios to one worker, and the processor time per picture, which other programs disturb less.
Two processes run side by side, each on half of the pictures.

    python benchmarks/bench_folder.py [--pictures N] [--rounds N] [--cases NAME ...]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from interleaved import write_result

CASES = {
    "xs": ["edges", "-m", "mobile-edge-xs"],
    "default": ["edges"],
    "best": ["edges", "-m", "mobile-edge"],
    "thin": ["edges", "--as", "thin"],
    "saliency": ["saliency"],
    "cutout": ["cutout", "--threshold", "0.01"],  # every picture has an object
}
EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = (481, 321)


class Run(NamedTuple):
    """One run of a command.

    Attributes:
        pictures_per_s: Without the start of the command.
        cpu_s: Processor time of the command, with its start.
        peak_mb: Largest memory of the process.
        stages: Each stage's share.
    """

    pictures_per_s: float
    cpu_s: float
    peak_mb: float
    stages: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=150, help="at least 2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        halves = write_pictures(Path(folder), options.pictures)
        measured = {name: measure(CASES[name], halves, options.rounds) for name in options.cases}
    write_result("folder", {"pictures": options.pictures, "size": SIZE, "cases": measured})


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Write JPEG files, each another part of an example photo, to two folders of equal size."""
    random = np.random.default_rng(0)
    photos = [Image.open(path) for path in sorted(EXAMPLES.glob("*.jpg"))]
    halves = [folder / "in" / "first", folder / "in" / "second"]
    for half in halves:
        half.mkdir(parents=True)
    for number in range(count):
        photo = photos[number % len(photos)]
        left, top = (int(random.integers(0, side // 4)) for side in photo.size)
        part = photo.crop((left, top, left + photo.width * 3 // 4, top + photo.height * 3 // 4))
        part.resize(SIZE).save(halves[number % 2] / f"{number}.jpg", quality=90)
    return halves


def measure(command: Sequence[str], halves: list[Path], rounds: int) -> dict[str, object]:
    """Return the medians of one case."""
    both = halves[0].parent
    runs: dict[str, list[list[Run]]] = {}
    count = len(list(both.rglob("*.jpg")))
    one_picture = next(both.rglob("*.jpg"))
    (start,) = run_together([[*command, str(one_picture)]])
    for _ in range(rounds):
        for name, inputs, workers in (
            ("1 worker", [both], ["--workers", "1"]),
            ("2 workers", [both], ["--workers", "2"]),
            ("2 processes, 1 worker each", halves, ["--workers", "1"]),
            ("2 processes, default workers", halves, []),
        ):
            together = run_together([[*command, str(folder), *workers] for folder in inputs])
            runs.setdefault(name, []).append(together)
    rows: dict[str, dict[str, float]] = {}
    for name, measured in runs.items():
        rates = [sum(run.pictures_per_s for run in together) for together in measured]
        ratios = [
            rate / one[0].pictures_per_s for rate, one in zip(rates, runs["1 worker"], strict=True)
        ]
        cpu_s = [sum(run.cpu_s - start.cpu_s for run in together) for together in measured]
        rows[name] = {
            "pictures_per_s": round(statistics.median(rates), 1),
            "best_pictures_per_s": round(max(rates), 1),
            "ratio": round(statistics.median(ratios), 2),
            "cpu_ms_per_picture": round(1e3 * statistics.median(cpu_s) / count, 2),
            "peak_mb": round(max(run.peak_mb for together in measured for run in together)),
        }
    (half,) = run_together([[*command, str(halves[0]), "--workers", "2"]])
    stages = runs["1 worker"][-1][0].stages
    return {"runs": rows, "stages": stages, "peak_mb_of_half_the_pictures": round(half.peak_mb)}


def run_together(commands: Sequence[Sequence[str]]) -> list[Run]:
    """Run commands side by side, each with a new folder for its outputs."""
    with tempfile.TemporaryDirectory() as output:
        started = []
        for number, command in enumerate(commands):
            report = Path(output, f"{number}.json")
            full = [sys.executable, "-m", "featheredge", *command, "-o", f"{output}/{number}"]
            with report.open("w") as file:
                process = subprocess.Popen([*full, "--json"], stdout=file)
            started.append((process, report))
        return [_wait(process, report) for process, report in started]


def _wait(process: "subprocess.Popen[bytes]", report: Path) -> Run:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a command failed with code {process.returncode}")
    speed = json.loads(report.read_text())["speed"]
    cpu_s = usage.ru_utime + usage.ru_stime
    return Run(speed["pictures_per_s"], cpu_s, usage.ru_maxrss / 1024, speed["stages"])


if __name__ == "__main__":
    main()
