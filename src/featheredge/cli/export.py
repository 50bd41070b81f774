"""The verb `export`, which writes a network as a weights file, for ONNX Runtime or OpenVINO."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.cli.dataset import bsds_folder
from featheredge.errors import ArgumentError, OutputError
from featheredge.extras import require

if TYPE_CHECKING:
    from featheredge.models.network import Purpose


def export(
    network: str,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    to: Literal["onnx", "int8", "openvino", "openvino-int8"] = "onnx",
    name: str | None = None,
    task: Literal["edges", "saliency"] | None = None,
    input_px: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    storage: Literal["fp16", "fp32"] = "fp16",
    rewrite: Annotated[bool, Parameter(negative="")] = False,
    slope_tolerance: Annotated[float, Parameter(validator=Number(gte=0))] = 0.0,
    check: Annotated[tuple[Path, ...], Parameter(negative="", consume_multiple=True)] = (),
    calibrate: Path | None = None,
    data: str | None = None,
    max_loss: Annotated[float, Parameter(validator=Number(gte=0))] = 0.01,
    precision: Literal["fp32", "bf16"] = "fp32",
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False,
) -> None:
    """Export a trained network to an .onnx file, which the other verbs accept as a model.

    int8, openvino and openvino-int8 are timed beside fp32 in the same run, and their maps are
    compared. They are written only if they are faster and lose at most --max-loss.

    Args:
        network: A folder that `featheredge train` printed, a name from `featheredge models`, or
            NAME:FILE.safetensors. For --to other than onnx also an exported .onnx file.
        output: The .onnx file to write; for OpenVINO the .xml file, with a .bin file beside it.
        to: onnx; int8, for ONNX Runtime; openvino, which --provider openvino runs; openvino-int8.
        name: Name of the model in the file. Default: the file name of the output.
        task: What its maps show. Only for a network whose config.json has no task.
        input_px: Side of the square that images are resized to, the size used in training.
            Default: the value in config.json. Without a value, images keep their own size.
        storage: fp16 halves the file size. The arithmetic is float32 in both cases.
        rewrite: Rewrite the network into a faster one that computes the same, and print what was
            done. The weights are stored as fp32, and cannot be read back for fine-tuning.
        slope_tolerance: With --rewrite, slopes of PReLU layers may change by this much if that
            makes a layer a ReLU or a LeakyReLU. Maps may then differ by up to 0.002.
        check: With --rewrite, compare the maps with PyTorch on these image files too.
        calibrate: A folder of photos like yours, which set the ranges of int8 values; every fourth
            is held out to compare maps on. Default: two example photos.
        data: A data set to score on: BSDS500 (ODS) or masks (max F).
        max_loss: The largest loss of score; without --data, the largest mean difference of maps.
        precision: The arithmetic of openvino to compare with fp32.
        threads: Threads to time with.
        force: Replace an existing file.
    """
    require("lab", "`export`")
    if output.exists() and not force:
        raise OutputError(f"{output} exists; give another name, or add -f to replace it")
    name = name or output.stem
    if not rewrite and (slope_tolerance or check):
        raise ArgumentError("--slope-tolerance and --check need --rewrite; add --rewrite")
    if rewrite and to != "onnx":
        raise ArgumentError(f"--rewrite writes an .onnx file; leave out --rewrite or --to {to}")
    if to == "onnx":
        _refuse_weights_file(network)
        purpose = _purpose(network, task, input_px)
        if rewrite:
            _export_rewritten(network, output, name, purpose, slope_tolerance, check)
            return
        difference = _export(network, output, name, purpose, storage)
        size_mb = output.stat().st_size / 1e6
        sys.stdout.write(f"{output}  {size_mb:.2f} MB, within {difference:.1e} of PyTorch\n")
        return
    if data is not None:
        require("eval", "`export --data`", "numba", "scipy")
    from featheredge.deploy.convert import convert

    with TemporaryDirectory() as folder:
        weights = Path(network)
        if not network.endswith(".onnx"):
            weights = Path(folder) / "fp32.onnx"
            _export(network, weights, name, _purpose(network, task, input_px), storage)
        comparison = convert(
            weights,
            output,
            to,
            calibrate=calibrate,
            dataset=None if data is None else bsds_folder(data),
            max_loss=max_loss,
            precision=precision,
            threads=threads,
        )
    files = [output, *([output.with_suffix(".bin")] if to != "int8" else [])]
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    sys.stdout.write(f"{output}  {size_mb:.2f} MB; {comparison}\n")


def _export(
    network: str,
    output: Path,
    name: str,
    purpose: "Purpose",
    storage: Literal["fp16", "fp32"],
) -> float:
    """Write a network as an .onnx file; return its largest difference from PyTorch."""
    from featheredge.deploy.export import export_network
    from featheredge.models import build

    return export_network(
        build.load_trained(network),
        output,
        name=name,
        task=purpose.task,
        input_px=purpose.input_px,
        storage=storage,
    )


def _export_rewritten(
    network: str,
    output: Path,
    name: str,
    purpose: "Purpose",
    slope_tolerance: float,
    check: tuple[Path, ...],
) -> None:
    """Write a network with exact rewrites, and print which were applied."""
    from featheredge.deploy.export_rewritten import export_rewritten
    from featheredge.models import build

    rewritten = export_rewritten(
        build.load_trained(network),
        output,
        name=name,
        task=purpose.task,
        input_px=purpose.input_px,
        slope_tolerance=slope_tolerance,
        pictures=check,
    )
    sys.stdout.write(f"{output}  {output.stat().st_size / 1e6:.2f} MB\n{rewritten}\n")


def _refuse_weights_file(network: str) -> None:
    if network.endswith(".onnx"):
        raise ArgumentError(
            f"{network} is an .onnx file already; to convert it, add --to int8, openvino or "
            "openvino-int8"
        )


def _purpose(
    network: str, task: Literal["edges", "saliency"] | None, input_px: int | None
) -> "Purpose":
    """Return what a network was trained for: the stored values, else those of the options."""
    from featheredge.models.network import Purpose
    from featheredge.models.purpose import read_purpose

    stored = read_purpose(network)
    if stored is not None:
        if task not in (None, stored.task):
            raise ArgumentError(
                f"--task {task}: {network} was trained for {stored.task}; leave --task out"
            )
        return Purpose(stored.task, input_px or stored.input_px)
    if task is None:
        raise ArgumentError(
            f"{network} does not store its task; add --task edges, or --task saliency --input-px N "
            "with the image size N used in training"
        )
    if task == "saliency" and input_px is None:
        raise ArgumentError("--task saliency needs --input-px N, the image size used in training")
    return Purpose(task, input_px)
