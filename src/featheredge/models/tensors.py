"""Read tensors from weight files, and copy them into networks."""

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from featheredge.errors import RecipeError, WeightsError
from featheredge.models.layer_names import begins
from featheredge.models.network import Network
from featheredge.onnx_file import read_onnx_file


def load_weights(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into a network.

    All tensors of the network must be given, with two exceptions. Batch norm's
    `num_batches_tracked` does not change what a network computes. Parameters that only training
    uses (`Network.training_only`) keep their values if they are missing.

    Args:
        network: Any module.
        state: Name -> tensor.
        source: Where the tensors come from, for error messages.

    Raises:
        WeightsError: Tensors are missing, unknown or of another shape; the message names the first.
    """
    refuse_misfit(network, state, source)
    network.load_state_dict(dict(state), strict=False)


def refuse_misfit(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Check that tensors fit a network, as `load_weights` does, without copying them.

    Args:
        network: Any module, also one on the meta device, whose tensors take no memory.
        state: Name -> tensor.
        source: Where the tensors come from, for error messages.

    Raises:
        WeightsError: Tensors are missing, unknown or of another shape; the message names the first.
    """
    expected = network.state_dict()
    missing = [k for k in expected if k not in state and not is_optional(k, network)]
    built = dict(network.named_buffers())  # also those that its configuration determines
    unknown = [k for k in state if k not in expected and k not in built]
    reshaped = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(expected[k].shape)}"
        for k in expected
        if k in state and state[k].shape != expected[k].shape
    ]
    problems = {"missing": missing, "unknown": unknown, "of another shape": reshaped}
    for problem, keys in problems.items():
        if keys:
            raise WeightsError(
                f"{source}: the weights do not fit this {type(network).__name__}: "
                f"{len(keys)} {problem}, such as {', '.join(keys[:3])}; give weights of the same "
                "architecture and widths"
            )


def is_optional(key: str, network: nn.Module) -> bool:
    """Return whether a trained network computes the same without this tensor of its state."""
    training_only = getattr(network, "training_only", ())
    return key.endswith("num_batches_tracked") or any(begins(key, name) for name in training_only)


def read_onnx(path: Path) -> dict[str, Tensor]:
    """Read the parameters and buffers in a file of `featheredge.deploy.export`, as float32.

    Raises:
        WeightsError: The file is not a readable ONNX file, or was exported with rewrites.
    """
    try:
        model = onnx.load_from_string(read_onnx_file(path))
    except DecodeError as cause:
        raise WeightsError(f"{path} is not a readable .onnx file: {cause}") from cause
    if any('"rewritten": true' in entry.value for entry in model.metadata_props):
        raise WeightsError(
            f"{path} was exported with --rewrite, so it no longer has the trained weights; give "
            "the folder of the trained network, or export it without --rewrite"
        )
    graph = model.graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {k: torch.tensor(v, dtype=torch.float32) for k, v in weights.items() if is_parameter(k)}


def is_parameter(name: str) -> bool:
    """Return whether a tensor in an ONNX file is a parameter or buffer of the network.

    Their names have a dot; the names of the graph's constants have none.
    """
    return "." in name


def load_backbone(network: Network, path: Path) -> None:
    """Load ImageNet weights with torchvision's names into `network.encoder`.

    An encoder may end early: layers of the file after its last one are ignored.

    Args:
        network: A network with an encoder.
        path: A .safetensors file of a classifier.

    Raises:
        RecipeError: The network has no encoder.
        WeightsError: The file cannot be read or is of another architecture.
    """
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise RecipeError(
            f"{type(network).__name__} has no encoder, so it cannot load {path}; leave out backbone"
        )
    load_weights(encoder, _encoder_part(read_safetensors(path), encoder), str(path))


def _encoder_part(state: Mapping[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """Return a classifier's tensors for an encoder, whose `features.I` may end early."""
    layers = getattr(encoder, "features", ())
    wanted = {f"features.{layer}" for layer in range(len(layers))}
    others = ("features.", "classifier.", "fc.")
    return {
        key: tensor
        for key, tensor in state.items()
        if ".".join(key.split(".")[:2]) in wanted or not key.startswith(others)
    }


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file.

    Raises:
        WeightsError: The file does not exist, or is not a .safetensors file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as cause:
        raise WeightsError(f"{path} is not a readable .safetensors file: {cause}") from cause
