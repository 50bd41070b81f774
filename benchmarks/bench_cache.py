"""Memory and speed of training on many pictures, with and without a cache of decoded pictures.

    python benchmarks/bench_cache.py [--pictures N] [--size WxH] [--steps N] [--folder DIR]

A folder gets N pictures with masks: links to 100 cut-outs of the example photos. A toy network is
trained on them by `featheredge train`, without a cache and with one. Memory is the largest that a
process had after 20 steps and after all, with every page that it maps (VmHWM, so Linux only). Then
the steps of both kinds are timed in this process, in turns; quote the ratio of their processor
time, which other programs disturb less. `--folder` keeps pictures and cache for the next time.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric
from PIL import Image

from featheredge import timing
from featheredge.training.loop import TrainingRun
from featheredge.training.recipe import load_recipe
from interleaved import write_result

ROOT = Path(__file__).parents[1]
_NUM_DISTINCT = 100
_FEW_STEPS = 20

RECIPE = """
task = "saliency"
data = {{root = "{root}", val_splits = []}}
augment = {{crop_px = 32}}
optimiser = {{lr = 0.001}}
schedule = {{epochs = 1}}
run = {{batch_size = 64, norm_batches = 1, checkpoint_every_steps = 1000}}

[network]
name = "mobile-edge-v1"
[network.widths]
stem = 8
top = 12
head = 4
dilations = [2, 3]
blocks = [{{hidden = 0, out = 4}}, {{hidden = 8, out = 6, stride = 2}},
          {{hidden = 12, out = 8, stride = 2}}, {{hidden = 16, out = 8, stride = 2}},
          {{hidden = 16, out = 10, stride = 2}}]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--size", default="96x72")
    parser.add_argument("--steps", type=int, default=400, help="of each training, above 20")
    parser.add_argument("--rounds", type=int, default=20, help="timed steps of each kind")
    parser.add_argument("--folder", type=Path, help="where pictures and cache are kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        recipe, cache = folder / "many.toml", f"data.cache={folder}/cache"
        if not recipe.exists():
            width, height = map(int, args.size.split("x"))
            write_data(folder, args.pictures, (width, height))
        cases: dict[str, list[str]] = {"without": [], "with a cache": [cache]}
        memory = {
            name: peak_memory(recipe, settings, args.steps, Path(scratch) / name)
            for name, settings in cases.items()
        }
        steps = time_steps(recipe, cases, Path(scratch) / "timed", args.rounds)
        cache_mb = sum(path.stat().st_size for path in (folder / "cache").rglob("*.bin")) / 1e6
    setting = {"pictures": args.pictures, "size": args.size, "cache_mb": round(cache_mb)}
    write_result("cache", {**setting, "memory": memory, "step_processor_time": steps})


def write_data(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write pictures, masks and their list, and a recipe that trains on them."""
    random = np.random.default_rng(0)
    photo = Image.open(ROOT / "examples/coffee.jpg").convert("RGB")
    root = folder / "data"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for index in range(count):
        targets = root / f"images/{index:06}.jpg", root / f"masks/{index:06}.png"
        if index < _NUM_DISTINCT:
            left, top = (
                int(random.integers(a - b + 1)) for a, b in zip(photo.size, size, strict=True)
            )
            cut = photo.crop((left, top, left + size[0], top + size[1]))
            cut.save(targets[0], quality=90)
            cut.convert("L").point(lambda value: 255 * (value > 127)).save(targets[1])
        else:
            for target in targets:
                original = f"{index % _NUM_DISTINCT:06}{target.suffix}"
                target.hardlink_to(target.with_name(original))
    (root / "train.txt").write_text("\n".join(f"{index:06}" for index in range(count)), "utf-8")
    (folder / "many.toml").write_text(RECIPE.format(root=root.as_posix()), "utf-8")


def peak_memory(recipe: Path, settings: list[str], steps: int, folder: Path) -> dict[str, int]:
    """Train for some steps and return the largest memory after a few and after all, in MB."""
    options = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "featheredge", "train", str(recipe), "-o", str(folder)]
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src"), **os.environ}
    log, peaks = folder / "log.jsonl", dict[str, int]()
    with subprocess.Popen([*command, *options], env=environment) as process:
        for count in (_FEW_STEPS, steps):
            while (done := num_lines(log)) < count:
                if process.poll() is not None:
                    sys.exit(f"{' '.join(command)}: ended after {done} steps")
                time.sleep(0.1)
            status = Path(f"/proc/{process.pid}/status").read_text()
            peaks[f"mb_after_{count}_steps"] = int(status.split("VmHWM:")[1].split()[0]) // 1000
        process.terminate()
    print(folder.name, peaks, flush=True)
    return peaks


def num_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def time_steps(
    recipe: Path, cases: dict[str, list[str]], folder: Path, rounds: int
) -> dict[str, Any]:
    """Time the steps of runs in turns; the pictures of each step are new to its run."""
    fabric = Fabric(accelerator="cpu", devices=1)
    runs = {
        name: TrainingRun(load_recipe(recipe, settings), folder / name, fabric)
        for name, settings in cases.items()
    }
    for name in runs:
        (folder / name).mkdir(parents=True)
    numbers = {name: itertools.count(1) for name in runs}
    steps = {name: (lambda name=name: runs[name].take_step(next(numbers[name]))) for name in runs}
    timed = timing.time_cases(steps, rounds, time.process_time)
    ratio = timed["without"].median_ms / timed["with a cache"].median_ms
    return {**{name: asdict(each) for name, each in timed.items()}, "times_faster": round(ratio, 2)}


if __name__ == "__main__":
    main()
