"""The machine of a benchmark: its measured peak, versions, and the commit that is measured."""

import importlib.metadata
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featheredge import timing
from featheredge.onnx_runtime import onnx_session

MATRIX_PRODUCT, COPY = "matrix product", "copy"

_SIDE = 1024  # rows and columns of the matrices, which fit into the level 2 cache in blocks
_COPIED_BYTES = 1 << 27  # more than most caches hold
_PACKAGES = ("featheredge", "numpy", "onnxruntime", "torch", "openvino", "opencv-python-headless")


@dataclass(frozen=True)
class Peak:
    """What the machine reached in the same run.

    Attributes:
        gflops: 10^9 float32 operations per second of a large matrix product.
        copy_gb: 10^9 bytes per second that a copy reads and writes.
    """

    gflops: float
    copy_gb: float


def peak_cases(threads: int) -> dict[str, Callable[[], object]]:
    """Return a matrix product and a copy, to be timed in the rounds of a benchmark."""
    from onnx import TensorProto, helper

    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [_SIDE, _SIDE]) for name in "abc"
    ]
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "peak", ports[:2], ports[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnx_session(model.SerializeToString(), threads)
    matrices = {name: np.ones((_SIDE, _SIDE), np.float32) for name in "ab"}
    source, target = (np.ones((threads, _COPIED_BYTES // threads), np.uint8) for _ in range(2))
    pool = ThreadPoolExecutor(threads)

    def copy() -> None:
        if threads == 1:
            np.copyto(target, source)
        else:
            list(pool.map(np.copyto, target, source))

    return {MATRIX_PRODUCT: lambda: session.run(None, matrices), COPY: copy}


def peak(times: dict[str, list[float]]) -> Peak:
    """Return the peak from the milliseconds of `peak_cases`; the fastest round counts."""
    product_s, copy_s = (min(times[name]) / 1e3 for name in (MATRIX_PRODUCT, COPY))
    return Peak(2 * _SIDE**3 / product_s / 1e9, 2 * _COPIED_BYTES / copy_s / 1e9)


def describe(threads: int) -> dict[str, Any]:
    """Return the machine, threads, versions of packages, load and commit, ready for JSON."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        **timing.describe_machine(),
        "cpu_features": timing.cpu_features(),
        "threads": threads,
        "versions": versions,
        "commit": commit(),
    }


def commit() -> str | None:
    """Return the commit that is measured, with "-changed" if tracked files differ from it.

    Returns:
        The commit, or None if the package is not in a git checkout.
    """
    command = ["git", "describe", "--always", "--dirty=-changed"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
