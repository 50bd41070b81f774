"""Export to the self-contained ONNX file that `featheredge.Session` runs.

The input `image` is uint8 (B, H, W, 3) RGB of any size; the output `map` is float32 (B, H, W) in
[0, 1]. Normalisation and sigmoid are part of the model, so that callers do no preprocessing. Batch
norms are not folded into the convolutions: ONNX Runtime folds them when it loads the file, at no
cost in speed. Every trained parameter therefore keeps its own name in the file, and
`featheredge.models.build` can load the file for fine-tuning. Only the learned balance of an octave
convolution is multiplied into its kernels.

Shapes: `B` batch; `H W` pixels.
"""

import copy
import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx_ir
import torch
from numpy.typing import NDArray
from onnx_ir.passes.common import IdentityEliminationPass, RemoveUnusedNodesPass
from onnxscript import optimizer
from torch import Tensor, nn

from featheredge.catalog import Task
from featheredge.errors import ArgumentError, WeightsError
from featheredge.files import write_bytes
from featheredge.models.network import Network
from featheredge.models.octave import fold_balances
from featheredge.models.tensors import is_parameter
from featheredge.onnx_runtime import onnx_session
from featheredge.weights_file import MAX_INPUT_PX

Storage = Literal["fp16", "fp32"]

METADATA_KEY = "featheredge"
PARITY_SIZES = ((33, 47), (1, 1), (121, 80))
MAX_DIFFERENCE = 1e-4

#: Smaller numbers become zero. They occur in dead channels, and a product of two or three of them
#: is subnormal, which is slow on CPUs. In sums with normal numbers they have no effect.
_NEGLIGIBLE = 1e-12

_OPSET = 20
_PREFIX = "network."


class _Deployed(nn.Module):
    """A network with its normalisation in front and its sigmoid behind."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Convert images, (B, H, W, 3) uint8, to maps, (B, H, W) float32 in [0, 1]."""
        pixels = image.permute(0, 3, 1, 2).float() / 255
        logits: Tensor = self.network(self.network.normalise(pixels)).final
        return logits.sigmoid().squeeze(1)


def export_network(
    network: Network,
    path: Path,
    *,
    name: str,
    task: Task,
    input_px: int | None = None,
    storage: Storage = "fp16",
) -> float:
    """Write `network` to `path` as ONNX and check the file against PyTorch.

    Args:
        network: The network to export; it is not changed.
        path: The .onnx file, written atomically after the check.
        name: Name of the model in the metadata.
        task: What its maps show.
        input_px: Side of the square that images are resized to, a multiple of the stride; the
            size used in training. None for a network that processes images at their own size.
        storage: Type of the stored convolution weights. "fp16" halves the file; the arithmetic
            stays float32. Batch norms stay float32: variances of dead channels underflow in fp16.

    Returns:
        The largest absolute difference between ONNX Runtime and PyTorch, over `PARITY_SIZES` or at
        `input_px`. With "fp16", both use the rounded weights.

    Raises:
        ArgumentError: `input_px` is not a multiple of the stride, or is too large.
        WeightsError: The difference is larger than `MAX_DIFFERENCE`; nothing is written.
    """
    deployed, model = trace(network, name, task, input_px, storage)
    if storage == "fp16":
        _store_as_half(model)
    return check_and_write(deployed, model, path, noise(input_px), name)


def trace(
    network: Network, name: str, task: Task, input_px: int | None, storage: Storage
) -> tuple[nn.Module, onnx.ModelProto]:
    """Return the deployed form of a network, with rounded weights: a module and its ONNX model.

    See `export_network` for the arguments. The module maps (B, H, W, 3) uint8 to (B, H, W) float32.

    Raises:
        ArgumentError: `input_px` is not a multiple of the stride, or is too large.
    """
    if input_px is not None and not (
        1 <= input_px <= MAX_INPUT_PX and input_px % network.stride == 0
    ):
        raise ArgumentError(
            f"input_px is {input_px}; expected a multiple of {network.stride}, the network's "
            f"stride, up to {MAX_INPUT_PX}"
        )
    network = copy.deepcopy(network).eval().cpu().deployable()
    fold_balances(network)
    deployed = _Deployed(network)
    _round(deployed, storage)
    model = _to_onnx(deployed)
    metadata = {
        "name": name,
        "task": task,
        "stride": network.stride,
        **({} if input_px is None else {"input_px": input_px}),
        "network": type(network).__name__,
        "config": asdict(network.config),
    }
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    return deployed, model


def noise(input_px: int | None, batch: int = 2) -> Iterator[NDArray[np.uint8]]:
    """Yield images of noise, (batch, H, W, 3), of `PARITY_SIZES` or of `input_px`."""
    random = np.random.default_rng(0)
    for size in PARITY_SIZES if input_px is None else ((input_px, input_px),):
        yield random.integers(0, 256, (batch, *size, 3), np.uint8)


def check_and_write(
    deployed: nn.Module,
    model: onnx.ModelProto,
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    name: str,
    limit: float = MAX_DIFFERENCE,
) -> float:
    """Compare an ONNX model with its module, and write it if they agree.

    Args:
        deployed: The module of `trace`.
        model: The model of `trace`, or one that computes the same.
        path: The .onnx file, written atomically after the check.
        images: Images to compare on, (B, H, W, 3) each.
        name: Name of the model in messages.
        limit: The largest difference that is accepted.

    Returns:
        The largest absolute difference.

    Raises:
        WeightsError: The difference is larger than `limit`; nothing is written.
    """
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    difference = parity(deployed, data, images)
    if not difference <= limit:
        raise WeightsError(
            f"the exported {name} differs from PyTorch by {difference:.2g}; at most "
            f"{limit:g} is allowed; the file was not written"
        )
    write_bytes(path, data)
    return difference


@torch.inference_mode()
def parity(deployed: nn.Module, data: bytes, images: Iterable[NDArray[np.uint8]]) -> float:
    """Return the largest absolute difference between PyTorch and ONNX Runtime on images.

    Args:
        deployed: Maps (B, H, W, 3) uint8 to (B, H, W) float32.
        data: The exported .onnx file.
        images: (B, H, W, 3) each.
    """
    session = onnx_session(data)
    worst = 0.0
    for image in images:
        ours = deployed(torch.from_numpy(image)).numpy()
        theirs = session.run(None, {"image": image})[0]
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


def _round(module: nn.Module, storage: Storage) -> None:
    """Round parameters and buffers to the values that the file stores.

    Negligible values become zero. With "fp16", those that `_store_as_half` converts are rounded to
    fp16.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data[tensor.data.abs() < _NEGLIGIBLE] = 0
            if storage == "fp16" and tensor.ndim > 1:
                tensor.data = tensor.data.half().float()


def _to_onnx(deployed: nn.Module) -> onnx.ModelProto:
    """Trace with a dynamic batch size, height and width; fold constants, except batch norms."""
    image = torch.zeros(2, 65, 97, 3, dtype=torch.uint8)
    with quiet():
        program = torch.onnx.export(
            deployed,
            (image,),
            dynamo=True,
            dynamic_shapes={"image": {0: "B", 1: "H", 2: "W"}},
            input_names=["image"],
            output_names=["map"],
            opset_version=_OPSET,
            optimize=False,
        )
        assert program is not None
        model = program.model
        optimizer.fold_constants(model)
        IdentityEliminationPass()(model)
        RemoveUnusedNodesPass()(model)
    proto: onnx.ModelProto = onnx_ir.to_proto(model)
    for tensor in proto.graph.initializer:
        tensor.name = tensor.name.removeprefix(_PREFIX)
    for node in proto.graph.node:
        node.input[:] = [name.removeprefix(_PREFIX) for name in node.input]
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    _drop_unused(proto.graph)
    return proto


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove tensors that no node reads, and shape annotations, which readers can infer."""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    _replace(graph.initializer, kept)
    _replace(graph.value_info, [])


def _store_as_half(model: onnx.ModelProto) -> None:
    """Store parameters with more than one axis as fp16, each with a cast back to float32.

    Constants of the graph, such as mean and standard deviation of the pixels, are not changed.
    """
    graph = model.graph
    stored, casts = [], []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if is_parameter(tensor.name) and values.ndim > 1:
            name = f"{tensor.name}.fp32"
            casts.append(
                onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
            )
            tensor = onnx.numpy_helper.from_array(values.astype(np.float16), tensor.name)
        stored.append(tensor)
    renamed = {cast.input[0]: cast.output[0] for cast in casts}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    _replace(graph.initializer, stored)
    _replace(graph.node, [*casts, *graph.node])


def _replace(field: Any, values: Iterable[Any]) -> None:
    """Set a repeated protobuf field."""
    kept = list(values)
    del field[:]
    field.extend(kept)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter, which prints progress and warns about unused libraries."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
