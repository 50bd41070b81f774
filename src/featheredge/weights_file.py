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
from typing import TYPE_CHECKING, Any

from featheredge import catalog
from featheredge.errors import ProviderError, WeightsError

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


@dataclass(frozen=True)
class Metadata:
    """What a weights file says about itself in its metadata.

    Attributes:
        name: What the network is called.
        task: What its maps mean: "edges" or "saliency".
        stride: Height and width of what it is given must be multiples of this.
        input_px: The side of the square that it sees pictures as; None where it sees them as
            they are.
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
        ProviderError: The provider is not there.
    """
    weights, origin = _read_weights(model, task)
    network = _load(weights, origin, threads, provider)
    return network, _check(network, origin)


def _read_weights(model: str | Path | None, task: str) -> tuple[bytes, str]:
    """Return a weights file and what messages call it; one from the catalog must match its hash."""
    if isinstance(model, Path) or (model and model.endswith(".onnx")):
        try:
            return Path(model).read_bytes(), str(model)
        except OSError as error:
            raise WeightsError(f"{model}: {error.strerror}") from error
    entry = catalog.default(task) if model is None else catalog.find(model)
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

    there = onnxruntime.get_available_providers()
    wanted = PROVIDERS.get(provider)
    if wanted not in there:
        names = [name for name, full_name in PROVIDERS.items() if full_name in there]
        raise ProviderError(
            f"provider {provider!r} is not there; this ONNX Runtime has {', '.join(names)}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # would plan memory for every size it has seen, and keep it
    # Idle threads that spin steal the CPU from everyone else on a shared host. Denormals are left
    # to the CPU: flushing them changes the arithmetic of the calling thread for good.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        network = onnxruntime.InferenceSession(weights, options, providers=[wanted])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise WeightsError(f"{origin}: ONNX Runtime cannot load it: {error}") from error
    if network.get_providers()[0] != wanted:  # it only warns when a provider fails to start
        raise ProviderError(f"provider {provider!r} does not start here; see the log above")
    return network


def _parse(metadata: str) -> dict[str, Any]:
    """Return the metadata's JSON object; empty if it is anything else."""
    try:
        found = json.loads(metadata)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read_metadata(stored: dict[str, Any]) -> Metadata | None:
    """Read the metadata's fields; None if one is missing or cannot be true."""
    kinds = {"name": str, "task": str, "stride": int}
    if not all(type(stored.get(key)) is kind for key, kind in kinds.items()):
        return None
    found = Metadata(**{key: stored[key] for key in kinds}, input_px=stored.get("input_px"))
    input_px = found.stride if found.input_px is None else found.input_px
    possible = type(input_px) is int and 1 <= found.stride <= input_px
    return found if possible and input_px % found.stride == 0 else None


def _check(network: "InferenceSession", origin: str) -> Metadata:
    """Return the metadata of a weights file, once it proves to be one of ours."""
    metadata = network.get_modelmeta().custom_metadata_map.get("featheredge")
    if metadata is None:
        raise WeightsError(
            f"{origin}: no featheredge metadata; expected a file that `featheredge export` wrote"
        )
    found = _read_metadata(_parse(metadata))
    if found is None:
        raise WeightsError(
            f"{origin}: its featheredge metadata is {metadata}; expected a JSON object with "
            "name, task and stride, and input_px, if it is there, a multiple of stride"
        )
    ports = [(port.name, port.type) for port in (*network.get_inputs(), *network.get_outputs())]
    if ports != [("image", "tensor(uint8)"), ("map", "tensor(float)")]:
        raise WeightsError(
            f"{origin}: inputs and outputs are {ports}; expected image, uint8, and map, float32"
        )
    return found
