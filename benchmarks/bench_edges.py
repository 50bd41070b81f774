"""Time of every shipped edge network, at two picture sizes, on one thread and on two.

Every round runs each case once, so all cases share the load of the machine. Quote the ratio to the
baseline, which is the default network at the size of BSDS500 pictures on one thread.

    python benchmarks/bench_edges.py [ROUNDS]
"""

import sys
from itertools import product

import numpy as np

import featheredge
from interleaved import time_cases, write_result

SIZES = ((321, 481), (1000, 1000))
THREADS = (1, 2)


def main(rounds: int) -> None:
    random = np.random.default_rng(0)
    images = {size: random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES}
    models = [entry.name for entry in featheredge.list_models() if entry.task == "edges"]
    cases = {}
    for model, size, threads in product(models, SIZES, THREADS):
        session = featheredge.Session(model, threads=threads)
        cases[name_of(model, size, threads)] = lambda session=session, size=size: session(
            images[size]
        )
    times = time_cases(cases, rounds)
    baseline = name_of(models[0], SIZES[0], THREADS[0])
    for row in times.values():
        row["ratio"] = round(row["min_ms"] / times[baseline]["min_ms"], 2)
    write_result("edges", {"baseline": baseline, "cases": times})


def name_of(model: str, size: tuple[int, int], threads: int) -> str:
    """Return the name of a case in the result."""
    return f"{model}, {size[0]}x{size[1]}, {threads} thread{'s' * (threads > 1)}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
