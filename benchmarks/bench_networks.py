"""Time of networks on a CPU relative to a published network, in ONNX Runtime.

Every round runs each network once. Weights do not change the time of a network, so all have random
weights.

    python benchmarks/bench_networks.py edges [--rounds 20] [--threads 2]
    python benchmarks/bench_networks.py saliency [--rounds 20] [--threads 1]
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from featheredge import Session
from featheredge.deploy.export import export_network
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds, num_params
from interleaved import time_cases, write_result

Size = tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """Networks of one task that are compared.

    Attributes:
        networks: Names; the first is the baseline.
        sizes: Heights and widths of the pictures.
    """

    networks: tuple[str, ...]
    sizes: tuple[Size, ...]


COMPARISONS = {
    "edges": Comparison(
        (
            "rcf",
            "pidinet",
            "pidinet-small",
            "pidinet-tiny-l",
            "mobile-edge",
            "mobile-edge-s",
            "mobile-edge-xs",
        ),
        ((321, 481), (1000, 1000)),
    ),
    "saliency": Comparison(
        ("csnet-l-x2", "csnet-l-x1", "feather-saliency", "feather-saliency-s"), ((224, 224),)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=COMPARISONS)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--networks", nargs="+", help="baseline and others")
    parser.add_argument("--size", type=int, nargs=2, help="one height and width for all")
    options = parser.parse_args()
    networks = options.networks or COMPARISONS[options.task].networks
    sizes = (tuple(options.size),) if options.size else COMPARISONS[options.task].sizes
    random = np.random.default_rng(0)
    images = {size: random.integers(0, 256, (*size, 3), np.uint8) for size in sizes}
    with TemporaryDirectory() as folder:
        sessions = {name: open_session(name, Path(folder), options.threads) for name in networks}
        times = {
            f"{size[0]}x{size[1]}": time_cases(
                {name: partial(session, images[size]) for name, session in sessions.items()},
                options.rounds,
            )
            for size in sizes
        }
    for rows in times.values():
        for row in rows.values():
            row["times_faster"] = round(rows[networks[0]]["min_ms"] / row["min_ms"], 1)
    costs = {
        name: {"params": num_params(create_model(name)), "gmac": gmac(name, sizes[0])}
        for name in networks
    }
    facts = {"baseline": networks[0], "threads": options.threads, "gmac_size": list(sizes[0])}
    write_result(
        f"networks-{options.task}-{options.threads}t", {**facts, "costs": costs, "times": times}
    )


def open_session(name: str, folder: Path, threads: int) -> Session:
    """Export a network with random weights and open it; pictures are not tiled."""
    torch.manual_seed(0)
    path = folder / f"{name}.onnx"
    export_network(create_model(name), path, name=name, task="edges", storage="fp32")
    return Session(path, threads=threads)


def gmac(name: str, size: Size) -> float:
    """Return the multiply-adds of the deployable form at a size (H, W), in units of 10^9."""
    return round(multiply_adds(lambda: create_model(name).deployable(), *size) / 1e9, 3)


if __name__ == "__main__":
    main()
