"""Time of each convolution of a network against its channel counts, in ONNX Runtime.

Every convolution is timed with all its output channels and fewer input channels, and the other way
round; a depthwise convolution with fewer channels. The result compares the sum over layers with the
time of the whole network, which also resizes, adds and reorders. It is processor time in one
thread, which other work on the machine disturbs little.

    python benchmarks/bench_latency_table.py mobile-edge-s [--size 321 481] [--multiple 8]
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch

from featheredge.deploy.export import export_network
from featheredge.models.build import create_model
from featheredge.models.network import Network
from featheredge.pruning.conv_timing import time_convolutions
from featheredge.pruning.convolutions import Convolution, find_convolutions
from featheredge.pruning.cost_terms import spread
from featheredge.timing import clock_for, time_cases
from interleaved import write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network")
    parser.add_argument("--size", type=int, nargs=2, default=(321, 481))
    parser.add_argument("--multiple", type=int, default=8)
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    network = create_model(options.network).deployable().eval()
    found = find_convolutions(network, torch.zeros(1, 3, *options.size))
    grids = {c: list(grid(c, options.multiple, options.points)) for _, c in found}
    times = time_convolutions([c for g in grids.values() for c in g], rounds=options.rounds)
    rows = [{"kernel": kernel, **describe(c, grids[c], times)} for kernel, c in found]
    result = {
        "network": options.network,
        "size": options.size,
        "onnxruntime": onnxruntime.__version__,
        "sum_ms": round(sum(times[c] for _, c in found), 3),
        "whole_ms": whole_ms(network, options.size, options.rounds),
        "layers": rows,
    }
    write_result(f"latency-table-{options.network}", result)


def grid(convolution: Convolution, multiple: int, points: int) -> Iterator[Convolution]:
    """Yield the convolution at full width, with fewer rows, and with fewer columns."""
    rows, columns = (
        spread(counts(width, multiple), points) for width in (convolution.rows, convolution.columns)
    )
    for row, column in product(rows, columns):
        if row == convolution.rows or column == convolution.columns:
            yield convolution.with_widths(row, column)


def counts(width: int, multiple: int) -> list[int]:
    """List a width and the multiples below it, descending."""
    return [width, *(n for n in range(width - 1, 0, -1) if n % multiple == 0)]


def describe(
    full: Convolution, timed: Sequence[Convolution], times: dict[Convolution, float]
) -> dict[str, object]:
    """Return the entry of one layer: milliseconds by output channels x input channels."""
    return {
        "kernel_px": list(full.kernel),
        "stride": list(full.stride),
        "groups": full.groups,
        "makes": list(full.makes),
        "ms": {f"{c.rows}x{c.in_channels}": round(times[c], 4) for c in timed},
    }


def whole_ms(network: Network, size: Sequence[int], rounds: int) -> float:
    """Return the minimum time of the exported network in one thread, with the same clock."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_network(network, path, name="timed", task="edges", storage="fp32")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        case = {"whole": lambda: session.run(None, {"image": image})}
        return time_cases(case, rounds, clock_for(1).read)["whole"].min_ms


if __name__ == "__main__":
    main()
