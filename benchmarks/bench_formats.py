"""Time, map difference and score of int8, bfloat16 and OpenVINO forms of the shipped networks.

Each form is timed beside the float32 network in ONNX Runtime, in the same rounds, on one thread.

    python benchmarks/bench_formats.py [MODEL ...] --calibrate FOLDER [--bsds DIR] [--masks DIR]
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime

from featheredge import Session, list_models
from featheredge.catalog import find, weights_path
from featheredge.deploy.acceptance import compare
from featheredge.deploy.calibration import load_pictures
from featheredge.deploy.convert import Target, convert_unchecked, open_converted
from featheredge.extras import is_installed
from featheredge.providers import Precision
from interleaved import write_result

ONNX_FORMS: tuple[tuple[Target, Precision], ...] = (("int8", "fp32"),)
OPENVINO_FORMS: tuple[tuple[Target, Precision], ...] = (
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino-int8", "fp32"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=[entry.name for entry in list_models()])
    parser.add_argument("--calibrate", type=Path, help="a folder of photos; default: two examples")
    parser.add_argument("--bsds", type=Path, help="BSDS500, for ODS")
    parser.add_argument("--masks", type=Path, help="a data set of masks, for max F")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    result = {"threads": 1, "onnxruntime": onnxruntime.__version__, "forms": {}}
    for model in options.models:
        dataset = options.bsds if find(model).task == "edges" else options.masks
        result["forms"][model] = forms_of(model, options.calibrate, dataset, options.rounds)
    write_result("formats", result)


def forms_of(
    model: str, calibrate: Path | None, dataset: Path | None, rounds: int
) -> list[dict[str, object]]:
    """Measure every form of a network that can run here."""
    weights = weights_path(find(model))
    reference = Session(model)
    pictures = load_pictures(calibrate, reference)
    forms = list(ONNX_FORMS)
    if is_installed("openvino"):
        from featheredge.openvino_runtime import cpu_precisions

        here = cpu_precisions()  # a processor without bfloat16 has no "bf16"
        forms += [
            (target, precision)
            for target, precision in OPENVINO_FORMS
            if precision in here and ("int8" not in target or is_installed("nncf"))
        ]
    rows = []
    with TemporaryDirectory() as folder:
        for target, precision in forms:
            file = Path(folder) / f"network{'.onnx' if target == 'int8' else '.xml'}"
            convert_unchecked(weights, file, target, pictures.calibration)
            converted = open_converted(file, precision, threads=1)
            compared = compare(
                f"{target} {precision}",
                converted,
                reference,
                pictures.held_out,
                dataset=dataset,
                rounds=rounds,
            )
            print(f"{model}: {compared}", flush=True)
            rows.append(asdict(compared))
    return rows


if __name__ == "__main__":
    main()
