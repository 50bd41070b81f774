"""Time of networks in ONNX Runtime with exact rewrites, relative to the plain export.

    python benchmarks/bench_rewrites.py [NAME ...] [--size 224 320] [--rounds 20]
        [--weights DIR] [--slope-tolerance 0.001] [--pictures FILE ...]

Both models run once per round, on one thread. Without --weights the networks have random weights.
With it, csnet-l-x1 and csnet-l-x2 have the authors', from DIR/csnet_l_x1.safetensors and
DIR/csnet_l_x2.safetensors.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from featheredge.deploy.export import trace
from featheredge.deploy.rewrite.apply import rewrite
from featheredge.image import load
from featheredge.models.build import create_model, load_trained
from featheredge.models.network import Network
from featheredge.onnx_runtime import onnx_session
from featheredge.resize import resize
from featheredge.timing import clock_for
from featheredge.timing import time_cases as time_on
from interleaved import write_result

NETWORKS = ("csnet-l-x1", "csnet-l-x2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NETWORKS)
    parser.add_argument("--size", type=int, nargs="+", default=[224, 320])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--weights", type=Path, help="folder of the authors' weights")
    parser.add_argument("--slope-tolerance", type=float, default=0.0)
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--result", default="rewrites", help="name of the result file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for name in options.names:
        network = load_network(name, options.weights)
        _, plain = trace(network, name, "saliency", None, "fp32")
        for size in options.size:
            rows[f"{name}, {size}x{size}"] = measure(plain, size, options)
    clock = clock_for(1).name
    write_result(options.result, {"threads": 1, "clock": clock, "networks": rows})


def load_network(name: str, weights: Path | None) -> Network:
    """Load the authors' weights if there are any, else make random ones."""
    file = None if weights is None else weights / f"{name.replace('-', '_')}.safetensors"
    if file is not None and file.exists():
        return load_trained(f"{name}:{file}")
    torch.manual_seed(0)
    return create_model(name)


def measure(plain: onnx.ModelProto, size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Time the plain model and the rewritten one at a size, and compare their maps."""
    tolerance = options.slope_tolerance
    rewritten, counts = rewrite(plain, slope_tolerance=tolerance, input_px=size)
    models = {"plain": plain, "rewritten": rewritten}
    sessions = {case: onnx_session(model.SerializeToString()) for case, model in models.items()}
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    images = [noise, *(resize(load(path), size, size) for path in options.pictures)]
    times = time_on(
        {case: partial(run, session, noise) for case, session in sessions.items()},
        options.rounds,
        clock_for(1).read,
    )
    differences = [
        np.abs(run(sessions["plain"], image) - run(sessions["rewritten"], image))
        for image in images
    ]
    return {
        "rewrites": vars(counts),
        "plain_ms": [times["plain"].min_ms, times["plain"].median_ms],
        "rewritten_ms": [times["rewritten"].min_ms, times["rewritten"].median_ms],
        "times_faster_min": round(times["plain"].min_ms / times["rewritten"].min_ms, 2),
        "times_faster_median": round(times["plain"].median_ms / times["rewritten"].median_ms, 2),
        "largest_difference": float(max(d.max() for d in differences)),
        "mean_difference": float(np.mean([d.mean() for d in differences])),
        "images": len(images),
    }


def run(session: InferenceSession, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the map of one image, (H, W, 3)."""
    map: NDArray[np.float32] = session.run(None, {"image": image[None]})[0]
    return map


if __name__ == "__main__":
    main()
