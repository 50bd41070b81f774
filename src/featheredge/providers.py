"""Providers: the runtimes that can run a network, the precisions they have, and how each opens it.

There is no fallback: a provider or precision that does not exist here is an error that says which
ones do.

Shapes: `B` batch; `H W` pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ProviderError, WeightsError
from featheredge.extras import is_installed, require
from featheredge.onnx_runtime import onnx_session, session_options

Precision: TypeAlias = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")

OPENVINO = "openvino"
ONNX_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""Names of ONNX Runtime's execution providers in featheredge, and in ONNX Runtime."""


class Network(Protocol):
    """A loaded network of any runtime."""

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.uint8]]) -> Sequence[Any]:
        """Run the network: `image`, (B, H, W, 3) uint8 -> `map`, (B, H, W) float32."""


@dataclass(frozen=True)
class Opened:
    """A loaded network and what its file says about itself.

    Attributes:
        network: The network.
        metadata: The text of the file's metadata; None if it has none.
        ports: Name and type of every input and output.
    """

    network: Network
    metadata: str | None
    ports: list[tuple[str, str]]


def available_providers() -> list[str]:
    """Return the names of the providers that are installed here."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    names = [name for name, full_name in ONNX_PROVIDERS.items() if full_name in there]
    return [*names, OPENVINO] if is_installed(OPENVINO) else names


def open_with(
    weights: bytes | Path, origin: str, *, threads: int, provider: str, precision: str
) -> Opened:
    """Load a weights file in the runtime of a provider.

    Args:
        weights: The content of an .onnx file, or the path of OpenVINO's .xml file.
        origin: Name of the file in messages.
        threads: Threads for inference.
        provider: A name of `available_providers`.
        precision: One of `PRECISIONS`.

    Raises:
        WeightsError: The runtime cannot load the file.
        ProviderError: The provider or the precision does not exist here.
        MissingExtraError: The provider is "openvino" and OpenVINO is not installed.
    """
    if provider == OPENVINO:
        return _open_openvino(weights, origin, threads, precision)
    wanted = ONNX_PROVIDERS.get(provider)
    names = available_providers()
    if wanted is None or provider not in names:
        raise ProviderError(
            f"provider {provider!r} is not available; choose one of {', '.join(names)}, or install "
            "an ONNX Runtime package that includes it"
        )
    if isinstance(weights, Path):
        raise ProviderError(
            f"{origin}: an .xml file is OpenVINO's, and provider {provider!r} runs .onnx files; "
            "add provider='openvino' (--provider openvino)"
        )
    if precision != "fp32":
        raise ProviderError(
            f"provider {provider!r} has no precision {precision!r}; it computes in the types of "
            "the file: leave precision out, or add provider='openvino' (--provider openvino)"
        )
    return _open_onnx(weights, origin, threads, provider)


def _open_onnx(weights: bytes, origin: str, threads: int, provider: str) -> Opened:
    full_name = ONNX_PROVIDERS[provider]
    options = session_options(threads)
    options.enable_mem_pattern = False  # would keep a memory plan for every input size
    try:
        network = onnx_session(weights, provider=full_name, options=options)
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        raise WeightsError(f"{origin}: ONNX Runtime cannot load it: {error}") from error
    if network.get_providers()[0] != full_name:  # ONNX Runtime raises no error if it does not start
        raise ProviderError(
            f"provider {provider!r} does not start on this machine; see the log above"
        )
    try:
        metadata = network.get_modelmeta().custom_metadata_map.get("featheredge")
    except UnicodeDecodeError as error:
        raise WeightsError(f"{origin}: the metadata is damaged: {error}") from error
    ports = [(port.name, port.type) for port in (*network.get_inputs(), *network.get_outputs())]
    return Opened(network, metadata, ports)


def _open_openvino(weights: bytes | Path, origin: str, threads: int, precision: str) -> Opened:
    require(OPENVINO, "provider 'openvino'", OPENVINO)
    from featheredge import openvino_runtime

    here = openvino_runtime.cpu_precisions()
    if precision not in here:
        raise ProviderError(
            f"provider 'openvino' has no precision {precision!r} on this processor; choose one of "
            f"{', '.join(here)}"
        )
    try:
        model = openvino_runtime.read_model(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{origin}: OpenVINO cannot load it: {reason}") from error
    network = openvino_runtime.OpenVinoNetwork(model, threads, precision)
    return Opened(network, openvino_runtime.stored_metadata(model), openvino_runtime.ports(model))
