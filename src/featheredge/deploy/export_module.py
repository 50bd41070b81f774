"""Export of any PyTorch module to ONNX, for inputs of one size, checked against PyTorch.

The file contains only the module, without normalisation or metadata, so that the verbs cannot use
it as a model. For the networks of featheredge, use `featheredge.deploy.export`.

Shapes: `B` batch; `C` channels; `H W` pixels.
"""

from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx_ir
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from featheredge.deploy.export import MAX_DIFFERENCE, quiet
from featheredge.errors import WeightsError
from featheredge.files import write_bytes
from featheredge.onnx_runtime import onnx_session

_OPSET = 20


@torch.inference_mode()
def export_module(network: nn.Module, path: Path, example: Tensor) -> float:
    """Write a module to `path` as ONNX and check the file against PyTorch.

    Args:
        network: A module with one input tensor and tensors as output; it is not changed.
        path: The .onnx file, written atomically after the check. Its input is named `input`.
        example: (B, C, H, W), an input of the size that the file accepts.

    Returns:
        The largest difference between ONNX Runtime and PyTorch on noise, relative to the largest
        output.

    Raises:
        WeightsError: The module cannot be exported, or the difference is larger than
            `MAX_DIFFERENCE`; nothing is written.
    """
    network = deepcopy(network).eval().cpu()
    data = _to_onnx(network, example)
    noise = torch.rand(example.shape, generator=torch.Generator().manual_seed(0))
    session = onnx_session(data)
    ours = [leaf.numpy() for leaf in tree_leaves(network(noise)) if isinstance(leaf, Tensor)]
    theirs = session.run(None, {"input": noise.numpy()})
    difference = max(
        float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-12))
        for a, b in zip(ours, theirs, strict=True)
    )
    if not difference <= MAX_DIFFERENCE:
        raise WeightsError(
            f"the exported {type(network).__name__} differs from PyTorch by {difference:.2g} of "
            f"its largest output; at most {MAX_DIFFERENCE:g} is allowed; the file was not written"
        )
    write_bytes(path, data)
    return difference


def _to_onnx(network: nn.Module, example: Tensor) -> bytes:
    """Return the bytes of the .onnx file."""
    with quiet():
        try:
            program = torch.onnx.export(
                network, (example,), dynamo=True, input_names=["input"], opset_version=_OPSET
            )
        except torch.onnx.errors.OnnxExporterError as cause:
            raise WeightsError(
                f"{type(network).__name__} cannot be exported to ONNX: {cause}"
            ) from cause
    assert program is not None
    data: bytes = onnx_ir.to_proto(program.model).SerializeToString()
    return data
