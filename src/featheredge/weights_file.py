"""Weights files: reading one, checking that it is what it should be, opening it.

A weights file is ONNX with one input `image`, (B, H, W, 3) uint8 RGB, H and W multiples of its
stride, and one output `map`, (B, H, W) float32 in [0, 1]: normalisation and sigmoid are inside, so
there is no preprocessing to get wrong. Its metadata holds, under "featheredge", a JSON object with
at least name, task and stride, and for a network that sees the whole picture at once `input_px`:
every picture is then stretched to a square of that side, whatever its shape. Saliency networks are
trained on such squares; they know objects at that scale, not at the picture's own.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from featheredge import catalog
from featheredge.errors import ProviderError, WeightsError
from featheredge.onnx_runtime import onnx_session, session_options

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""What users call an execution provider -> what ONNX Runtime calls it."""

MAX_STRIDE, MAX_INPUT_PX = 1024, 8192
"""Larger numbers in the metadata are damage; padding to them would fill the memory."""


@dataclass(frozen=True)
class Metadata:
    """What a weights file says about itself.

    Attributes:
        name: What the network is called.
        task: What its maps mean: "edges" or "saliency".
        stride: Height and width of its input must be multiples of this.
        input_px: The side of the square that pictures are stretched to; None for a network that
            takes them at their own size.
    """

    name: str
    task: catalog.Task
    stride: int
    input_px: int | None


def open_network(
    model: str | Path | None, task: str, threads: int, provider: str
) -> tuple["InferenceSession", Metadata]:
    """Open a weights file.

    Args:
        model: A name in the catalog or the path of an .onnx file; None is the task's default model.
        task: "edges" or "saliency"; matters only where no model is named.
        threads: Threads that compute one image.
        provider: A key of `PROVIDERS`.

    Raises:
        UnknownModelError: The catalog has no such name, or no model for the task.
        WeightsError: The file is missing, damaged, or not one of ours.
        ProviderError: The provider is not available.
    """
    weights, origin = _read_weights(model, task)
    network = _load(weights, origin, threads, provider)
    return network, _check(network, origin)


def is_path(model: str | Path | None) -> TypeGuard[str | Path]:
    """Return whether a model is given as the path of a file, not as a name in the catalog."""
    return isinstance(model, Path) or (isinstance(model, str) and model.endswith(".onnx"))


def _read_weights(model: str | Path | None, task: str) -> tuple[bytes, str]:
    """Return a weights file and what messages call it; one from the catalog must match its hash."""
    if is_path(model):
        try:
            return Path(model).read_bytes(), str(model)
        except OSError as error:
            raise WeightsError(f"{model}: {error.strerror}") from error
        except ValueError as error:  # a NUL character in the path
            raise WeightsError(f"{str(model)!r} is not a path: {error}") from error
    if model is not None and "/" in str(model):
        raise WeightsError(
            f"{model} is neither a model nor an .onnx file; give a name from `featheredge models` "
            "or the path of an .onnx file"
        )
    entry = catalog.default(task) if model is None else catalog.find(str(model))
    path = catalog.weights_path(entry)
    weights = path.read_bytes()
    if (digest := hashlib.sha256(weights).hexdigest()) != entry.sha256:
        raise WeightsError(
            f"{path}: sha256 {digest}; expected {entry.sha256}; the file is damaged or replaced, "
            "reinstall featheredge"
        )
    return weights, entry.name


def _load(weights: bytes, origin: str, threads: int, provider: str) -> "InferenceSession":
    import onnxruntime

    available = onnxruntime.get_available_providers()
    wanted = PROVIDERS.get(provider)
    if wanted is None or wanted not in available:
        names = [name for name, full_name in PROVIDERS.items() if full_name in available]
        raise ProviderError(
            f"provider {provider!r} is not available; this ONNX Runtime has {', '.join(names)}"
        )
    options = session_options(threads)
    options.enable_mem_pattern = False  # would plan memory for every size it has seen, and keep it
    try:
        network = onnx_session(weights, provider=wanted, options=options)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise WeightsError(f"{origin}: ONNX Runtime cannot load it: {error}") from error
    if network.get_providers()[0] != wanted:  # it only warns when a provider fails to start
        raise ProviderError(f"provider {provider!r} does not start here; see the log above")
    return network


def _stored_metadata(network: "InferenceSession", origin: str) -> str | None:
    """Return the text that a file holds under "featheredge"; None if it holds none."""
    try:
        text: str | None = network.get_modelmeta().custom_metadata_map.get("featheredge")
    except UnicodeDecodeError as error:
        raise WeightsError(f"{origin}: its metadata is damaged: {error}") from error
    return text


def _parse(text: str) -> dict[str, Any]:
    """Return the metadata's JSON object; empty if it is anything else."""
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _metadata(stored: dict[str, Any]) -> Metadata | None:
    """Take the fields from the JSON object; None if one is missing or cannot be true."""
    kinds = {"name": str, "task": str, "stride": int}
    if not all(type(stored.get(key)) is kind for key, kind in kinds.items()):
        return None
    metadata = Metadata(**{key: stored[key] for key in kinds}, input_px=stored.get("input_px"))
    stride = metadata.stride
    side = stride if metadata.input_px is None else metadata.input_px
    possible = type(side) is int and 1 <= stride <= min(side, MAX_STRIDE) and side <= MAX_INPUT_PX
    return metadata if possible and side % stride == 0 else None


def _check(network: "InferenceSession", origin: str) -> Metadata:
    """Return the metadata of a weights file, once it proves to be one of ours."""
    text = _stored_metadata(network, origin)
    if text is None:
        raise WeightsError(
            f"{origin}: no featheredge metadata; expected a file that `featheredge export` wrote"
        )
    metadata = _metadata(_parse(text))
    if metadata is None:
        shown = text if len(text) <= 200 else f"{text[:200]}..."
        raise WeightsError(
            f"{origin}: its featheredge metadata is {shown}; expected a JSON object with name, "
            f"task, stride (at most {MAX_STRIDE}) and, optionally, input_px (a multiple of "
            f"stride, at most {MAX_INPUT_PX})"
        )
    ports = [(port.name, port.type) for port in (*network.get_inputs(), *network.get_outputs())]
    if ports != [("image", "tensor(uint8)"), ("map", "tensor(float)")]:
        raise WeightsError(
            f"{origin}: inputs and outputs are {ports}; expected image, uint8, and map, float32"
        )
    return metadata
