"""Time single convolutions in ONNX Runtime on this machine, with one thread.

ONNX Runtime stores maps in blocks of channels and reorders them around a single convolution. A
network does that once for many layers. So the time of a convolution is taken as the extra time of a
model with more such convolutions, which read the same map and are summed. Bias and ReLU are
included, because ONNX Runtime fuses them.

Times are processor times of the calling thread, not wall-clock times, so other work on the machine
hardly changes them.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from featheredge.errors import ArgumentError
from featheredge.files import write_json
from featheredge.onnx_runtime import onnx_session
from featheredge.pruning.convolutions import Convolution
from featheredge.text_files import read_json
from featheredge.timing import clock_for, cpu_model, time_cases

#: Measures convolutions: returns milliseconds for each.
Stopwatch: TypeAlias = Callable[[Collection[Convolution]], Mapping[Convolution, float]]

#: Numbers of equal convolutions in the two models that are compared.
_COPIES = (1, 3)
#: Number of convolutions that are timed interleaved; all of them are in memory.
_INTERLEAVED = 16
#: Lower bound on a convolution's time, for differences of two measurements that are too small.
_MIN_MS = 1e-3


def time_convolutions(
    convolutions: Collection[Convolution], *, rounds: int = 8, cache: Path | None = None
) -> dict[Convolution, float]:
    """Measure the time of convolutions; equal ones are measured once.

    Args:
        convolutions: The convolutions to time; neighbours are timed interleaved.
        rounds: Number of rounds after a warm-up; the fastest counts.
        cache: JSON file of times to read and to add to. It keeps times of other processors and
            other versions of ONNX Runtime, which are not used.

    Returns:
        Convolution -> milliseconds.

    Raises:
        ArgumentError: `cache` exists and is not a file of times.
    """
    stored = {} if cache is None else _read(cache)
    times = stored.setdefault(f"{cpu_model()}, ONNX Runtime {onnxruntime.__version__}", {})
    missing = [c for c in dict.fromkeys(convolutions) if _key(c) not in times]
    for start in range(0, len(missing), _INTERLEAVED):
        batch = missing[start : start + _INTERLEAVED]
        times |= zip(map(_key, batch), _measure(batch, rounds), strict=True)
        if cache is not None:
            write_json(cache, stored)
    return {c: times[_key(c)] for c in convolutions}


def _read(cache: Path) -> dict[str, dict[str, float]]:
    if not cache.exists():
        return {}
    try:
        stored: dict[str, dict[str, float]] = read_json(cache)
        for times in stored.values():
            if not all(isinstance(ms, float) for ms in times.values()):
                raise TypeError("a time is not a number")
    except (ValueError, AttributeError, TypeError) as cause:
        raise ArgumentError(
            f"{cache} is not a file of convolution times ({cause}); name another file or remove it"
        ) from None
    return stored


def _key(convolution: Convolution) -> str:
    return json.dumps(asdict(convolution), separators=(",", ":"))


def _measure(convolutions: Sequence[Convolution], rounds: int) -> Iterator[float]:
    """Yield the milliseconds of each, measured interleaved."""
    cases = {
        f"{number} x{copies}": _runner(convolution, copies)
        for number, convolution in enumerate(convolutions)
        for copies in _COPIES
    }
    times = time_cases(cases, rounds, clock_for(1).read)
    for number in range(len(convolutions)):
        few, many = (times[f"{number} x{copies}"].min_ms for copies in _COPIES)
        yield max((many - few) / (_COPIES[1] - _COPIES[0]), _MIN_MS)


def _runner(convolution: Convolution, copies: int) -> Callable[[], object]:
    """Return a function that runs a model with `copies` such convolutions on noise."""
    session = onnx_session(_model(convolution, copies))
    shape = (1, convolution.in_channels, *convolution.reads)
    maps = {"x": np.random.default_rng(0).standard_normal(shape, np.float32)}
    return lambda: session.run(None, maps)


def _model(convolution: Convolution, copies: int) -> bytes:
    """Build a model of convolutions that read one map, with different weights; sum and ReLU."""
    layers = [f"conv{number}" for number in range(copies)]
    nodes = [_node(convolution, layer) for layer in layers]
    total = layers[0]
    for layer in layers[1:]:  # ONNX Runtime fuses Add into a convolution, but not Sum
        nodes.append(helper.make_node("Add", [total, layer], [f"{layer}.sum"]))
        total = f"{layer}.sum"
    nodes.append(helper.make_node("Relu", [total], ["y"]))
    channels = convolution.columns * convolution.groups
    made = channels if convolution.transposed else convolution.rows
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width, *size])
        for name, width, size in (
            ("x", convolution.in_channels, convolution.reads),
            ("y", made, convolution.makes),
        )
    ]
    random = np.random.default_rng(1)
    kernel = (convolution.rows, convolution.columns, *convolution.kernel)
    weights = [
        numpy_helper.from_array(random.standard_normal(shape, np.float32), f"{layer}.{name}")
        for layer in layers
        for name, shape in (("weight", kernel), ("bias", (made,)))
    ]
    graph = helper.make_graph(nodes, "layer", values[:1], values[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def _node(convolution: Convolution, layer: str) -> onnx.NodeProto:
    options: dict[str, Any] = {
        "kernel_shape": convolution.kernel,
        "strides": convolution.stride,
        "pads": convolution.padding * 2,
        "dilations": convolution.dilation,
        "group": convolution.groups,
    }
    if convolution.transposed:
        options["output_padding"] = convolution.output_padding
    kind = "ConvTranspose" if convolution.transposed else "Conv"
    return helper.make_node(kind, ["x", f"{layer}.weight", f"{layer}.bias"], [layer], **options)
