"""Weights files: read, check and open them.

A weights file is an ONNX model with one input and one output. The input `image` is (B, H, W, 3)
uint8 RGB, H and W multiples of the stride. The output `map` is (B, H, W) float32 in [0, 1].
Normalisation and sigmoid are part of the model, so that callers do no preprocessing.

The metadata has a JSON object under the key "featheredge", with name, task and stride. Networks
that process the whole image at once also have `input_px`: every image is resized to a square of
this side. Saliency networks are trained on such squares and expect objects at that scale.

Shapes: `B` batch; `H W` pixels.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from featheredge import catalog
from featheredge.errors import WeightsError
from featheredge.onnx_file import read_onnx_file
from featheredge.providers import Network, Opened, open_with

IR_SUFFIX = ".xml"
_SUFFIXES = (".onnx", IR_SUFFIX)

MAX_STRIDE, MAX_INPUT_PX = 1024, 8192
"""Larger numbers mean damaged metadata; padding to them would need too much memory."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of a weights file.

    Attributes:
        name: Name of the network.
        task: What its maps show: "edges" or "saliency".
        stride: Height and width of the input must be multiples of this.
        input_px: Side of the square that images are resized to; None for a network that processes
            images at their own size.
        one_at_a_time: Whether a batch has one image only: a file with exact rewrites and a fixed
            input size is made for that.
    """

    name: str
    task: catalog.Task
    stride: int
    input_px: int | None
    one_at_a_time: bool = False


def open_network(
    model: str | Path | None, task: str, *, threads: int, provider: str, precision: str
) -> tuple[Network, Metadata]:
    """Open a weights file.

    Args:
        model: The name of a shipped model or the path of an .onnx file, or of OpenVINO's .xml
            file. None is the default model of the task.
        task: "edges" or "saliency"; used only if `model` is None.
        threads: Threads for inference.
        provider: A name of `featheredge.providers.available_providers`.
        precision: One of `featheredge.providers.PRECISIONS`.

    Returns:
        The loaded network and the metadata of the file.

    Raises:
        UnknownModelError: The name is not in the catalog, or the task has no shipped model.
        WeightsError: The file is missing, damaged or not written by featheredge.
        ProviderError: The provider or the precision is not available.
        MissingExtraError: The provider is not installed.
    """
    weights, origin = _read_weights(model, task)
    opened = open_with(weights, origin, threads=threads, provider=provider, precision=precision)
    return opened.network, check_metadata(opened, origin)


def is_path(model: str | Path | None) -> TypeGuard[str | Path]:
    """Return whether a model is given as the path of a file, not as a name in the catalog."""
    return isinstance(model, Path) or (isinstance(model, str) and model.endswith(_SUFFIXES))


def _read_weights(model: str | Path | None, task: str) -> tuple[bytes | Path, str]:
    """Return the content of a weights file and its name in messages; check a shipped file's hash.

    OpenVINO's .xml file, which has a .bin file beside it, is returned as its path.
    """
    if is_path(model):
        if Path(model).suffix == IR_SUFFIX:
            return Path(model), str(model)
        return read_onnx_file(Path(model)), str(model)
    if model is not None and "/" in str(model):
        raise WeightsError(
            f"{model} is not the name of a model and not an .onnx file; give a name from "
            "`featheredge models` or the path of an .onnx file"
        )
    entry = catalog.default(task) if model is None else catalog.find(str(model))
    path = catalog.weights_path(entry)
    weights = path.read_bytes()
    if (digest := hashlib.sha256(weights).hexdigest()) != entry.sha256:
        raise WeightsError(
            f"{path}: sha256 {digest}; expected {entry.sha256}; the file is damaged or was "
            "changed: reinstall featheredge"
        )
    return weights, entry.name


def _parse(text: str) -> dict[str, Any]:
    """Parse the metadata; return an empty dict if it is not a JSON object."""
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _metadata(stored: dict[str, Any]) -> Metadata | None:
    """Return the fields of the JSON object; None if one is missing or has an invalid value."""
    kinds = {"name": str, "task": str, "stride": int}
    if not all(type(stored.get(key)) is kind for key, kind in kinds.items()):
        return None
    input_px = stored.get("input_px")
    one_at_a_time = stored.get("rewritten") is True and input_px is not None
    metadata = Metadata(
        **{key: stored[key] for key in kinds}, input_px=input_px, one_at_a_time=one_at_a_time
    )
    stride = metadata.stride
    side = stride if metadata.input_px is None else metadata.input_px
    possible = type(side) is int and 1 <= stride <= min(side, MAX_STRIDE) and side <= MAX_INPUT_PX
    return metadata if possible and side % stride == 0 else None


def check_metadata(opened: Opened, origin: str) -> Metadata:
    """Check that a weights file was written by featheredge, and return its metadata.

    Args:
        opened: The loaded network.
        origin: Name of the file in messages.

    Raises:
        WeightsError: The metadata, or the inputs and outputs, are not those of such a file.
    """
    text = opened.metadata
    if text is None:
        raise WeightsError(
            f"{origin}: no featheredge metadata; expected a file written by `featheredge export`"
        )
    metadata = _metadata(_parse(text))
    if metadata is None:
        shown = text if len(text) <= 200 else f"{text[:200]}..."
        raise WeightsError(
            f"{origin}: the featheredge metadata is {shown}; expected a JSON object with name, "
            f"task, stride (at most {MAX_STRIDE}) and, optionally, input_px (a multiple of "
            f"stride, at most {MAX_INPUT_PX})"
        )
    if opened.ports != [("image", "tensor(uint8)"), ("map", "tensor(float)")]:
        raise WeightsError(
            f"{origin}: inputs and outputs are {opened.ports}; expected image (uint8) and map "
            "(float32)"
        )
    return metadata
