"""Crops per second that training takes, of two source trees or two settings, in turns.

    python benchmarks/bench_training.py feather-saliency --set data.root=/data/msra10k ... \
        --against ../older-checkout --steps 12 --rounds 3

Each round starts `featheredge train` once per tree, lets it take some steps, reads their speed and
loss from the run's log and stops it. The first two steps of each start are left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
_WARM_UP_STEPS = 2
_TIMEOUT_S = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", help="a shipped recipe's name, or a .toml file")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--against", type=Path, help="another checkout of this project")
    parser.add_argument("--against-set", action="append", default=[], help="its settings only")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    kinds = {"here": (ROOT, args.settings)}
    if args.against or args.against_set:
        kinds["against"] = (args.against or ROOT, args.settings + args.against_set)
    speeds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(1, args.rounds + 1):
        for kind, (tree, settings) in kinds.items():
            steps = take_steps(tree, args.recipe, settings, args.steps, args.threads)
            speeds[kind] += [step["samples_per_s"] for step in steps[_WARM_UP_STEPS:]]
            print(f"round {number}, {kind}: loss {steps[-1]['loss']:.4f} at step {len(steps)}")
    for kind, values in speeds.items():
        best, median = max(values), statistics.median(values)
        print(f"{kind}: median {median:.2f} crops/s, best {best:.2f}, {len(values)} steps")
    if len(speeds) == 2:
        ratio = statistics.median(speeds["here"]) / statistics.median(speeds["against"])
        print(f"here takes {ratio:.2f} times as many crops per second")


def take_steps(
    tree: Path, recipe: str, settings: list[str], steps: int, threads: int
) -> list[dict[str, float]]:
    """The log lines of the first steps of a run with the code in `tree`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree / "src"),
        "OMP_NUM_THREADS": str(threads),
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "run/log.jsonl"
        options = [part for setting in settings for part in ("--set", setting)]
        command = [sys.executable, "-m", "featheredge", "train", recipe, *options]
        with subprocess.Popen([*command, "-o", str(log.parent)], env=environment) as process:
            started = time.monotonic()
            while len(lines := _lines(log)) < steps and process.poll() is None:
                if time.monotonic() - started > _TIMEOUT_S:
                    break
                time.sleep(0.1)
            process.terminate()
    if len(lines) < steps:
        sys.exit(f"{' '.join(command)}: took {len(lines)} of {steps} steps")
    return [json.loads(line) for line in lines[:steps]]


def _lines(log: Path) -> list[str]:
    return log.read_text("utf-8").splitlines() if log.exists() else []


if __name__ == "__main__":
    main()
