"""OpenVINO's own runtime: run a network in float32 or bfloat16 on a CPU.

The ONNX Runtime build with OpenVINO inside cannot be installed beside the ordinary ONNX Runtime,
so the `openvino` package is used directly.

Shapes: `B` batch; `H W` pixels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from openvino import CompiledModel, Model

#: Precision in featheredge -> OpenVINO's name of the type and of the processor's capability.
_TYPES = {"fp32": ("f32", "FP32"), "bf16": ("bf16", "BF16")}

#: Where OpenVINO keeps the metadata of an ONNX file, and of an IR file made from one.
METADATA_PATH = ("framework", "featheredge")

_ONNX_RUNTIME_TYPES = {"u8": "tensor(uint8)", "f32": "tensor(float)"}


class OpenVinoNetwork:
    """A network in OpenVINO, with the same `run` as a session of ONNX Runtime.

    A network that is compiled for one input size is 15 to 25 % faster than one for all sizes, and
    compiling takes up to a second. So the first size gets a network of its own, and all other
    sizes share one. This suits a video and the tiles of a large image, and a folder of mixed sizes
    does not compile for each.
    """

    def __init__(self, model: "Model", threads: int, precision: str) -> None:
        """Prepare a network; it is compiled when the first image runs.

        Args:
            model: The return value of `read_model`.
            threads: Threads for inference.
            precision: A key of `_TYPES`: the type that products and sums are computed in.
        """
        self._model, self._threads, self._precision = model, threads, precision
        self._first: tuple[tuple[int, ...], CompiledModel] | None = None
        self._any_size: CompiledModel | None = None

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.uint8]]
    ) -> list[NDArray[np.float32]]:
        """Run the network.

        Args:
            outputs: Names of the outputs to return.
            inputs: `image` -> (B, H, W, 3) uint8.

        Raises:
            Exception: OpenVINO cannot run this size.
        """
        (image,) = inputs.values()
        results = self._compiled(image.shape)(dict(inputs))
        return [np.array(results[name]) for name in outputs]

    def _compiled(self, shape: tuple[int, ...]) -> "CompiledModel":
        if self._first is None:
            fixed = self._model.clone()
            fixed.reshape({0: list(shape)})
            self._first = shape, self._compile(fixed)
        if shape == self._first[0]:
            return self._first[1]
        if self._any_size is None:
            self._any_size = self._compile(self._model)
        return self._any_size

    def _compile(self, model: "Model") -> "CompiledModel":
        import openvino

        settings = {
            # Without this, OpenVINO silently takes bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": _TYPES[self._precision][0],
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Pinned threads of several processes would share one core.
            "ENABLE_CPU_PINNING": False,
        }
        return openvino.Core().compile_model(model, "CPU", settings)


def read_model(weights: bytes | Path) -> "Model":
    """Read a weights file.

    Args:
        weights: The content of an .onnx file, or the path of an .xml file with its .bin file
            beside it.

    Raises:
        RuntimeError: OpenVINO cannot read it.
    """
    import openvino

    return openvino.Core().read_model(weights)


def stored_metadata(model: "Model") -> str | None:
    """Return the metadata text of a network; None if it has none."""
    path = list(METADATA_PATH)
    if not model.has_rt_info(path):
        return None
    text: str = model.get_rt_info(path).astype(str)
    return text


def ports(model: "Model") -> list[tuple[str, str]]:
    """Return name and type of every input and output, in the words of ONNX Runtime."""
    return [_port(port) for port in (*model.inputs, *model.outputs)]


def _port(port: Any) -> tuple[str, str]:
    kind = port.get_element_type().to_string()
    names = sorted(port.get_names())
    return (names[0] if names else "", _ONNX_RUNTIME_TYPES.get(kind, kind))


def cpu_precisions() -> list[str]:
    """Return the precisions that this processor computes in, the most exact first."""
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name, (_, capability) in _TYPES.items() if capability in capabilities]
