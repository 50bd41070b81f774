"""Time of the shipped networks on 1 to N threads, at three picture sizes.

The rule of `featheredge.cpu_threads.auto_threads` follows from it. It needs an idle machine: the
result file has the load.

    python benchmarks/bench_threads.py [MODEL ...] [--most N] [--sizes 321 1000 2000] [--rounds 20]
"""

import argparse
from collections.abc import Callable

import numpy as np

from featheredge import Session, list_models
from featheredge.timing import num_cores, paired_ratio, summarise, time_rounds
from interleaved import write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=[entry.name for entry in list_models()])
    parser.add_argument("--most", type=int, default=num_cores(), help="the most threads")
    parser.add_argument("--sizes", type=int, nargs="+", default=[321, 1000, 2000])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    rows = {
        f"{model}, {size} px": time_threads(model, size, options.most, options.rounds)
        for model in options.models
        for size in options.sizes
    }
    write_result("threads", {"rounds": options.rounds, "cases": rows})


def time_threads(model: str, size: int, most: int, rounds: int) -> dict[str, object]:
    """Return the time of a network for one picture by threads, and its share of that of one."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)

    def case(threads: int) -> Callable[[], object]:
        session = Session(model, threads=threads)
        return lambda: session(image)

    times = time_rounds({str(n): case(n) for n in range(1, most + 1)}, rounds)
    return {
        threads: {
            "median_ms": summarise(measured).median_ms,
            "share": round(paired_ratio(measured, times["1"]), 3),
        }
        for threads, measured in times.items()
    }


if __name__ == "__main__":
    main()
