"""What networks cost on a CPU, relative to RCF: ONNX Runtime, two picture sizes, one run.

Every network runs once in each round. Weights do not change a network's time, so those that are
not shipped (RCF, PiDiNet) are timed with random ones.

    python benchmarks/bench_networks.py [--rounds 20] [--threads 2]
"""

import argparse
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from featheredge import Session
from featheredge.deploy.onnx import export
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds, num_params
from interleaved import time_cases, write_result

SIZES = ((321, 481), (1000, 1000))
BASELINE = "rcf"
NETWORKS = (
    BASELINE,
    "pidinet",
    "pidinet-small",
    "pidinet-tiny-l",
    "mobile-edge",
    "mobile-edge-s",
    "mobile-edge-xs",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    images = {size: random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES}
    with TemporaryDirectory() as folder:
        sessions = {name: open_session(name, Path(folder), options.threads) for name in NETWORKS}
        times = {}
        for size in SIZES:
            cases = {
                name: lambda session=session, size=size: session(images[size])
                for name, session in sessions.items()
            }
            times[f"{size[0]}x{size[1]}"] = time_cases(cases, options.rounds)
    for (label, rows), name in product(times.items(), NETWORKS):
        rows[name]["times_faster"] = round(rows[BASELINE]["min_ms"] / rows[name]["min_ms"], 1)
        print(label, name, rows[name])
    costs = {
        name: {"params": num_params(create_model(name)), "gmac_321x481": gmac(name)}
        for name in NETWORKS
    }
    facts = {"baseline": BASELINE, "threads": options.threads, "costs": costs}
    write_result(f"networks-{options.threads}t", {**facts, "times": times})


def open_session(name: str, folder: Path, threads: int) -> Session:
    """The network with random weights, exported; whole pictures, no tiles."""
    torch.manual_seed(0)
    path = folder / f"{name}.onnx"
    export(create_model(name), path, name=name, task="edges", storage="fp32")
    return Session(path, threads=threads)


def gmac(name: str) -> float:
    """10^9 multiply-adds at 321x481 of the form that is deployed."""
    return round(multiply_adds(lambda: create_model(name).deployable(), 321, 481) / 1e9, 3)


if __name__ == "__main__":
    main()
