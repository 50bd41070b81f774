"""What finding edges costs: `featheredge.edges` at two sizes, one thread and two.

Every case runs once in each round, so they share whatever else the machine does; quote the ratio
to the baseline, the BSDS500 size on one thread.

    python benchmarks/bench_edges.py [ROUNDS]
"""

import sys
from itertools import product

import numpy as np

import featheredge
from interleaved import time_cases, write_result

SIZES = ((321, 481), (1000, 1000))
THREADS = (1, 2)
BASELINE = "321x481, 1 thread"


def main(rounds: int) -> None:
    random = np.random.default_rng(0)
    images = {size: random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES}
    cases = {}
    for size, threads in product(SIZES, THREADS):
        name = f"{size[0]}x{size[1]}, {threads} thread{'s' * (threads > 1)}"
        cases[name] = lambda size=size, threads=threads: featheredge.edges(
            images[size], threads=threads
        )
    times = time_cases(cases, rounds)
    for row in times.values():
        row["ratio"] = round(row["min_ms"] / times[BASELINE]["min_ms"], 2)
    model = featheredge.list_models()[0].name
    write_result("edges", {"model": model, "baseline": BASELINE, "cases": times})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
