"""Quantise a weights file to int8 with ONNX Runtime, calibrated on pictures.

Weights get a scale for each channel. Activations get one scale for each tensor, from its smallest
and largest values on the calibration pictures. The file keeps float32 operations between pairs of
QuantizeLinear and DequantizeLinear (QDQ), which a runtime fuses into int8 operations. It runs in
`featheredge.Session` like any other weights file.

The first convolution stays in float32: it has three input channels, and in int8 it takes longer.

Shapes: `H W` pixels.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from featheredge.deploy.export import METADATA_KEY
from featheredge.errors import WeightsError
from featheredge.files import write_bytes
from featheredge.onnx_file import read_onnx_file
from featheredge.onnx_runtime import onnx_session, session_options

#: Fields of the metadata that `featheredge.Session` reads. The network and its configuration are
#: left out: PyTorch cannot load quantised weights.
_KEPT_FIELDS = ("name", "task", "stride", "input_px")


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """Feeds pictures to the quantiser one by one."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        self._left = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        picture = next(self._left, None)
        return None if picture is None else {"image": picture[None]}


def quantise_file(weights: Path, pictures: Sequence[NDArray[np.uint8]], output: Path) -> None:
    """Write the int8 form of a weights file.

    Args:
        weights: A weights file, as `featheredge export` writes it.
        pictures: Calibration pictures, each (H, W, 3) uint8 RGB of a size that the network takes,
            see `featheredge.deploy.calibration`.
        output: The .onnx file to write.

    Raises:
        WeightsError: The file has fewer than two convolutions.
    """
    with TemporaryDirectory() as folder, _quiet():
        folded, quantised = Path(folder) / "folded.onnx", Path(folder) / "int8.onnx"
        metadata = _fold(weights, folded)
        quantize_static(
            folded,
            quantised,
            _Pictures(pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_up_to_first_convolution(folded, weights),
        )
        write_bytes(output, _finished(onnx.load(quantised), metadata))


def _fold(weights: Path, folded: Path) -> str:
    """Write a file with norms folded into convolutions, float32 weights and a name for each node.

    Returns:
        The metadata of `weights`.
    """
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    session = onnx_session(read_onnx_file(weights), options=options)
    model = onnx.load(folded)
    for i, node in enumerate(model.graph.node):  # the quantiser excludes nodes by name
        node.name = f"{node.op_type}_{i}"
    onnx.save(model, folded)
    metadata: str = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    return metadata


def _up_to_first_convolution(file: Path, origin: Path) -> list[str]:
    """Return the names of the nodes up to the first convolution, which is among them."""
    nodes = onnx.load(file).graph.node
    convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
    if len(convolutions) < 2:
        raise WeightsError(
            f"{origin}: has {len(convolutions)} convolutions; int8 needs at least two, because the "
            "first one stays in float32"
        )
    return [node.name for node in nodes[: convolutions[0] + 1]]


def _finished(model: onnx.ModelProto, metadata: str) -> bytes:
    """Set the metadata, drop operator sets that no node uses, and return the file's content."""
    stored = json.loads(metadata)
    kept = {key: stored[key] for key in _KEPT_FIELDS if key in stored} | {"precision": "int8"}
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(kept)})
    used = {node.domain for node in model.graph.node}
    opsets = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    content: bytes = model.SerializeToString()
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the quantiser, which recommends a preparation that `_fold` has done."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
