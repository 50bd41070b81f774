"""Convert a weights file to a faster form, and write it only if it measures better than float32."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from featheredge.deploy.acceptance import Comparison, compare
from featheredge.deploy.calibration import load_pictures
from featheredge.deploy.openvino_ir import convert_file
from featheredge.deploy.quantize import quantise_file
from featheredge.errors import ArgumentError
from featheredge.files import write_bytes
from featheredge.providers import OPENVINO, Precision
from featheredge.session import Session
from featheredge.weights_file import IR_SUFFIX

Target: TypeAlias = Literal["int8", "openvino", "openvino-int8"]


def convert(
    weights: Path,
    output: Path,
    target: Target,
    *,
    calibrate: Path | None = None,
    dataset: Path | None = None,
    max_loss: float = 0.01,
    precision: Precision = "fp32",
    threads: int = 1,
    rounds: int = 30,
) -> Comparison:
    """Convert a weights file, compare it with the float32 network, and write it if it is better.

    Args:
        weights: A weights file, as `featheredge.deploy.export.export_network` writes it.
        output: The .onnx file to write, or the .xml file for OpenVINO.
        target: "int8" for ONNX Runtime, "openvino", or "openvino-int8" with NNCF.
        calibrate: A folder of images, for the ranges of int8 activations; None takes two examples.
        dataset: See `featheredge.deploy.acceptance.compare`.
        max_loss: The largest loss of score with a data set, else the largest mean difference of
            the maps.
        precision: Arithmetic of OpenVINO where it is not int8.
        threads: Threads for both networks.
        rounds: Number of timing rounds.

    Raises:
        ArgumentError: The output has another suffix, the target has no such precision, or the
            folder has no images.
        WeightsError: The converted network is not faster, or loses more than `max_loss`; nothing
            is written.
        MissingExtraError: OpenVINO or NNCF is not installed.
    """
    _check_arguments(output, target, precision)
    reference = Session(weights, threads=threads)
    pictures = load_pictures(calibrate, reference)
    with TemporaryDirectory() as folder:
        file = Path(folder) / output.name
        convert_unchecked(weights, file, target, pictures.calibration)
        comparison = compare(
            target if precision == "fp32" else f"{target} in {precision}",
            open_converted(file, precision, threads),
            reference,
            pictures.held_out,
            dataset=dataset,
            rounds=rounds,
        )
        comparison.refuse_unless_better(max_loss)
        for part in _parts(file):  # the .bin file first, so that an .xml file is never alone
            write_bytes(output.with_name(part.name), part.read_bytes())
    return comparison


def convert_unchecked(
    weights: Path, file: Path, target: Target, pictures: Sequence[NDArray[np.uint8]]
) -> None:
    """Write a converted weights file without measuring it.

    Args:
        weights: See `convert`.
        file: The file to write.
        target: See `convert`.
        pictures: Calibration pictures, each (H, W, 3) uint8 RGB; "openvino" does not use them.
    """
    if target == "int8":
        quantise_file(weights, pictures, file)
    else:
        convert_file(weights, file, pictures if target == "openvino-int8" else None)


def open_converted(file: Path, precision: Precision, threads: int) -> Session:
    """Open a converted weights file in the runtime that it is for."""
    provider = OPENVINO if file.suffix == IR_SUFFIX else "cpu"
    return Session(file, threads=threads, provider=provider, precision=precision)


def _check_arguments(output: Path, target: Target, precision: str) -> None:
    suffix = ".onnx" if target == "int8" else IR_SUFFIX
    if output.suffix != suffix:
        raise ArgumentError(f"--to {target} writes {suffix} files; give an output *{suffix}")
    if target == "int8" and precision != "fp32":
        raise ArgumentError(
            f"--to int8 runs in ONNX Runtime, which has no {precision}; leave --precision out, or "
            "add --to openvino"
        )


def _parts(file: Path) -> list[Path]:
    return [file.with_suffix(".bin"), file] if file.suffix == IR_SUFFIX else [file]
