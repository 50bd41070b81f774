"""Time of scoring saliency maps, compared with PySODMetrics on the same arrays.

PySODMetrics pins versions that differ from this project's, so it runs in its own environment, as a
process that waits for requests. A request and its reply cost about 0.1 ms. Both sides compute MAE,
F, weighted F, S and E, in one thread each.

    python3 -m venv /tmp/pysod && /tmp/pysod/bin/pip install pysodmetrics==1.6.2
    python benchmarks/bench_saliency_metrics.py --pysod /tmp/pysod/bin/python [--rounds N]
"""

import argparse
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from featheredge.metrics import SaliencyMetric
from interleaved import time_cases, write_result

SIZES = ((300, 400), (1000, 1000))
SERVER = """
import sys, warnings
from importlib.metadata import version
import numpy as np, py_sod_metrics as m
warnings.simplefilter("ignore")
print(version("pysodmetrics"), flush=True)
for folder in sys.stdin:
    paths = (f"{folder.strip()}/{name}.npy" for name in ("map", "mask"))
    map, mask = (np.load(path, allow_pickle=False) for path in paths)
    for kind in (m.MAE, m.Fmeasure, m.WeightedFmeasure, m.Smeasure, m.Emeasure):
        metric = kind()
        metric.step(map, mask)
        metric.get_results()
    print("done", flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pysod", required=True, help="a Python that has pysodmetrics")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with TemporaryDirectory() as place, start_server(options.pysod) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        version = server.stdout.readline().strip()
        cases = {}
        for height, width in SIZES:
            folder = Path(place) / f"{height}x{width}"
            write_pair(folder, height, width)
            cases[f"PySODMetrics {folder.name}"] = lambda folder=folder: ask(server, folder)
            cases[f"featheredge {folder.name}"] = lambda folder=folder: score(folder)
        times = time_cases(cases, options.rounds)
        server.stdin.close()
    for name, row in times.items():
        theirs = times[name.replace("featheredge", "PySODMetrics")]
        row["times_faster"] = round(theirs["median_ms"] / row["median_ms"], 1)
    write_result("saliency_metrics", {"pysodmetrics": version, "cases": times})


def start_server(python: str) -> subprocess.Popen:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [python, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **one_thread},
    )


def ask(server: subprocess.Popen, folder: Path) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{folder}\n")
    server.stdin.flush()
    if server.stdout.readline() != "done\n":
        raise RuntimeError("PySODMetrics has stopped; its own message stands above")


def score(folder: Path) -> None:
    """Read and score one pair of arrays; the other side reads them as well."""
    metric = SaliencyMetric()
    map, mask = (np.load(folder / name, allow_pickle=False) for name in ("map.npy", "mask.npy"))
    metric.update(map, mask)
    metric.compute()


def write_pair(folder: Path, height: int, width: int) -> None:
    """Write a mask of three discs, and a map like a network's: soft and noisy at the borders."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    centres = rng.uniform(0.25, 0.75, (3, 2))
    depth = np.max([0.2 - np.hypot(y - row, x - column) for row, column in centres], axis=0)
    logits = 40 * depth + rng.normal(0, 0.5, (height, width))
    folder.mkdir()
    np.save(folder / "map.npy", np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8))
    np.save(folder / "mask.npy", (depth > 0.01).astype(np.uint8) * np.uint8(255))


if __name__ == "__main__":
    main()
