"""Memory and speed of training on many pictures, with and without a cache of decoded pictures.

    python benchmarks/bench_cache.py [--pictures N] [--steps N] [--size WxH]

A temporary folder gets N pictures with masks: links to 100 cut-outs of the example photos. A toy
network is trained on them by `featheredge train`, one command for each case: without a cache,
with a cache that is empty, and with one that is full. Each case takes the same first steps and the
last one a whole epoch. Memory is the largest of the process, with everything that it maps
(`ru_maxrss`). Crops per second are the median over the steps. Linux and macOS only.
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
from typing import Any

import numpy as np
from PIL import Image

from interleaved import write_result

ROOT = Path(__file__).parents[1]
_NUM_DISTINCT = 100
_WARM_UP_STEPS = 2

RECIPE = """
task = "saliency"
data = {{root = "{root}", val_splits = []}}
augment = {{crop_px = 32}}
optimiser = {{lr = 0.001}}
schedule = {{epochs = 1}}
run = {{batch_size = 64, norm_batches = 1, checkpoint_every_steps = 1000}}

[network]
name = "mobile-edge"
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
    parser.add_argument("--steps", type=int, default=100, help="of the cases without a whole epoch")
    parser.add_argument("--size", default="96x72")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        recipe, cache = write_data(Path(folder), args.pictures, (width, height)), "data.cache="
        cases = {
            "no cache": ([], args.steps),
            "empty cache": ([f"{cache}{folder}/cache"], args.steps),
            "full cache, whole epoch": ([f"{cache}{folder}/cache"], None),
        }
        measured = {}
        for name, (settings, steps) in cases.items():
            measured[name] = train(recipe, settings, steps, Path(folder) / name)
            print(name, json.dumps(measured[name]), flush=True)
        files = (Path(folder) / "cache").rglob("pictures.bin")
        cache_mb = sum(path.stat().st_size for path in files) / 1e6
    setting = {"pictures": args.pictures, "size": args.size, "steps": args.steps}
    write_result("cache", {**setting, "cache_mb": round(cache_mb), "cases": measured})


def write_data(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Write pictures, masks and their list, and return a recipe that trains on them."""
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
    recipe = folder / "many.toml"
    recipe.write_text(RECIPE.format(root=root.as_posix()), "utf-8")
    return recipe


def train(recipe: Path, settings: list[str], steps: int | None, folder: Path) -> dict[str, Any]:
    """Train for some steps, or to the end, and return what it took."""
    options = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "featheredge", "train", str(recipe), "-o", str(folder)]
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src"), **os.environ}
    log, started, first = folder / "log.jsonl", time.perf_counter(), None
    process = subprocess.Popen([*command, *options], env=environment, stdout=subprocess.DEVNULL)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        if lines and first is None:
            first = time.perf_counter() - started
        if pid:
            break
        if steps is not None and len(lines) >= steps:
            process.terminate()
            steps = None
        time.sleep(0.2)
    if not lines:
        sys.exit(f"{' '.join(command)}: ended with status {status} before the first step")
    speeds = [json.loads(line)["samples_per_s"] for line in lines[_WARM_UP_STEPS:]]
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "peak_mb": round(peak / 1e6),
        "steps": len(lines),
        "crops_per_s": round(statistics.median(speeds), 1),
        "first_step_after_s": round(first or 0, 1),
    }


if __name__ == "__main__":
    main()
