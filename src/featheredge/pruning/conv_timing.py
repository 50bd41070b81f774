"""How long single convolutions take in ONNX Runtime on this machine, with one thread.

ONNX Runtime keeps maps in blocks of channels, and reorders them for a convolution that stands
alone. In a network that is done once for many layers, so what counts is how much longer it takes
when more convolutions read the same map and are added up. Bias and ReLU are included; they fuse.

Times are those of the processor in the calling thread, not of the clock on the wall: what else
the machine does hardly changes them.
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
from featheredge.timing import clock_for, cpu_model, time_cases

#: Convolutions -> milliseconds of each.
Stopwatch: TypeAlias = Callable[[Collection[Convolution]], Mapping[Convolution, float]]

#: Models of so many equal convolutions are compared.
_COPIES = (1, 3)
#: Convolutions that take turns; all of them are in memory.
_TOGETHER = 16
#: A convolution takes some time, whatever the difference of two measurements says.
_LEAST_MS = 1e-3


def time_convolutions(
    convolutions: Collection[Convolution], *, rounds: int = 8, cache: Path | None = None
) -> dict[Convolution, float]:
    """Measure convolutions, each once.

    Args:
        convolutions: what to time; those that take turns are neighbours.
        rounds: of which the fastest counts, after one that does not.
        cache: a JSON file of times to go on from and to add to; times of other processors and
            other versions of ONNX Runtime in it are kept and not used.

    Returns:
        Milliseconds.

    Raises:
        ArgumentError: `cache` is there and is no such file.
    """
    stored = {} if cache is None else _read(cache)
    here = stored.setdefault(f"{cpu_model()}, ONNX Runtime {onnxruntime.__version__}", {})
    missing = [c for c in dict.fromkeys(convolutions) if _key(c) not in here]
    for start in range(0, len(missing), _TOGETHER):
        together = missing[start : start + _TOGETHER]
        here |= zip(map(_key, together), _measure(together, rounds), strict=True)
        if cache is not None:
            write_json(cache, stored)
    return {c: here[_key(c)] for c in convolutions}


def _read(cache: Path) -> dict[str, dict[str, float]]:
    if not cache.exists():
        return {}
    try:
        stored: dict[str, dict[str, float]] = json.loads(cache.read_bytes())
        for times in stored.values():
            if not all(isinstance(ms, float) for ms in times.values()):
                raise TypeError("times are numbers")
    except (ValueError, AttributeError, TypeError) as cause:
        raise ArgumentError(
            f"{cache} is no file of convolutions' times ({cause}); name another or remove it"
        ) from None
    return stored


def _key(convolution: Convolution) -> str:
    return json.dumps(asdict(convolution), separators=(",", ":"))


def _measure(convolutions: Sequence[Convolution], rounds: int) -> Iterator[float]:
    """Milliseconds of each, measured in turns."""
    cases = {
        f"{number} x{copies}": _runner(convolution, copies)
        for number, convolution in enumerate(convolutions)
        for copies in _COPIES
    }
    times = time_cases(cases, rounds, clock_for(1).read)
    for number in range(len(convolutions)):
        few, many = (times[f"{number} x{copies}"].min_ms for copies in _COPIES)
        yield max((many - few) / (_COPIES[1] - _COPIES[0]), _LEAST_MS)


def _runner(convolution: Convolution, copies: int) -> Callable[[], object]:
    """Run a model of as many such convolutions on noise."""
    session = onnx_session(_model(convolution, copies))
    shape = (1, convolution.in_channels, *convolution.reads)
    maps = {"x": np.random.default_rng(0).standard_normal(shape, np.float32)}
    return lambda: session.run(None, maps)


def _model(convolution: Convolution, copies: int) -> bytes:
    """Convolutions with weights of their own that read one map; their sum, and ReLU."""
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
