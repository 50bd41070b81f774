"""The verb `eval`: score maps (`eval edges|saliency PRED GT`) or a model (`eval MODEL DATASET`)."""

import difflib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number
from cyclopts.validators import Path as PathKind

from featheredge.cli.dataset import bsds_folder, mask_folder
from featheredge.cli.examples import epilogue
from featheredge.cli.progress import Advance, counter
from featheredge.errors import ArgumentError, EvaluationError
from featheredge.extras import require

app = App(
    name="eval",
    help="Score edge or saliency maps, or a model, against annotations.",
    help_epilogue=epilogue("eval"),
    suppress_keyboard_interrupt=False,  # as in `featheredge.cli`
)


@app.default
def by_task(*arguments: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Score a model at its task, like `eval edges` or `eval saliency` and with their options.

    Args:
        arguments: MODEL DATASET and options. Without a model, the same as `eval edges`.
    """
    app([_task_of(arguments), *arguments])


@app.command
def saliency(
    prediction: str,
    mask: str,
    /,
    *,
    protocol: Literal["pysod", "salmetric"] = "pysod",
    split: str | None = None,
    pictures: Path | None = None,
    workers: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    csv: Path | None = None,
    keep_maps: Path | None = None,
) -> None:
    """Score saliency maps: F-measure, weighted F, E-measure, S-measure and mean absolute error.

    Args:
        prediction: A folder of maps ID.png, white on black, or a model (a name from `featheredge
            models` or an .onnx file), which predicts the maps first. A map whose size differs
            from its mask is resized.
        mask: A folder of masks ID.png, salient above 127, or a folder with a sub-folder masks/.
        protocol: pysod (stretches every map to its own minimum and maximum) or salmetric.
        split: Score only the masks listed in SPLIT.txt in that folder, one ID per line.
        pictures: For a model: the folder of the images ID.jpg; sub-folders are searched. Default:
            images/ next to masks/.
        workers: Number of processes. Default: one per core.
        as_json: Print one JSON object.
        csv: Write the curves to this file.
        keep_maps: Keep the maps that the model predicts in this folder.
    """
    require("eval", "`eval saliency`", "numba", "scipy")
    from featheredge.datasets.mask_sets import mask_files, picture_folder, pictures_of
    from featheredge.metrics import write
    from featheredge.metrics.map_files import pair_up
    from featheredge.metrics.saliency_evaluate import evaluate_saliency
    from featheredge.metrics.saliency_protocol import SaliencyProtocol
    from featheredge.timing import num_cores

    dataset = mask_folder(mask)
    masks = mask_files(dataset, split)

    def predict(folder: Path, advance: Advance) -> None:
        from featheredge.metrics.benchmark import predict_pictures

        folder_of_pictures = pictures or picture_folder(dataset)
        if folder_of_pictures is None:
            raise ArgumentError(f"{dataset}: no folder of images; add --pictures FOLDER")
        found = pictures_of(masks, folder_of_pictures)
        predict_pictures(prediction, "saliency", found, folder, advance)

    with _maps(prediction, predict, keep_maps) as maps, counter("scoring") as advance:
        scores = evaluate_saliency(
            pair_up(maps, masks),
            SaliencyProtocol(protocol),
            workers=workers or num_cores(),
            progress=advance,
        )
    if csv:
        write.write_saliency_csv(scores, csv)
    sys.stdout.write(f"{json.dumps(scores.to_dict()) if as_json else scores}\n")


@app.command
def edges(
    prediction: str,
    annotation: str,
    /,
    *,
    nms: bool = True,
    nms_variant: Literal["hed", "rcf"] = "hed",
    num_thresholds: Annotated[int, Parameter(validator=Number(gte=1))] = 99,
    max_dist: Annotated[float | None, Parameter(validator=Number(gt=0))] = None,
    split: Literal["train", "val", "test"] = "test",
    scales: Annotated[tuple[float, ...], Parameter(negative="", consume_multiple=True)] = (1.0,),
    workers: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    cache: bool = True,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    csv: Path | None = None,
    plot: Annotated[Path | None, Parameter(validator=PathKind(ext=("png", "svg", "pdf")))] = None,
    bsds_files: Path | None = None,
    keep_maps: Path | None = None,
) -> None:
    """Score edge maps by the BSDS500 boundary benchmark: ODS, OIS, AP and R50.

    Args:
        prediction: A folder of maps ID.png, ID.npy or ID.mat, white on black and the size of the
            images, or a model (a name from `featheredge models` or an .onnx file), which predicts
            the maps of the BSDS500 images first.
        annotation: A BSDS500 folder (or bsds500:FOLDER), or a folder of binary files ID.png, which
            needs --max-dist.
        nms: Apply non-maximum suppression first. Use --no-nms for maps that are already thin.
        nms_variant: hed (used by most papers) or rcf (no smoothing, reach 2).
        num_thresholds: Number n of thresholds of the curve; threshold i is i / (n + 1).
        max_dist: Tolerance as a share of the image diagonal. Default for BSDS500: 0.0075.
        split: Split of BSDS500.
        scales: Average the model's maps over these scales of the image, as in --scales 0.5 1 1.5.
        workers: Number of processes. Default: one per core.
        cache: Store the counts of each map, so that an interrupted run resumes where it stopped.
        as_json: Print one JSON object.
        csv: Write the curve to this file.
        plot: Draw the precision-recall curve to this .png, .svg or .pdf file.
        bsds_files: Write the original benchmark's text files to this folder.
        keep_maps: Keep the maps that the model predicts in this folder.
    """
    # Checked before scoring, which can take long.
    require("eval", "`eval edges`", "numba", "scipy", *(["matplotlib"] if plot else []))
    from featheredge.metrics import pr_curve, write
    from featheredge.metrics.edge_evaluate import evaluate_edges
    from featheredge.metrics.edge_protocol import BSDS_MAX_DIST, EdgeProtocol
    from featheredge.metrics.map_files import annotation_files, pair_up
    from featheredge.timing import num_cores

    if Path(prediction).is_dir() and scales != (1.0,):
        raise EvaluationError(
            f"{prediction} is a folder of maps; leave out --scales, which is for models"
        )
    dataset = bsds_folder(annotation)
    annotations = annotation_files(dataset, split)
    is_bsds = annotations[0].suffix.lower() == ".mat"
    if max_dist is None and not is_bsds:
        raise EvaluationError(
            f"{dataset}: has .png annotations; add --max-dist SHARE, the tolerance as a share of "
            "the diagonal (0.0075 for BSDS500, 0.011 for NYUD)"
        )
    variant = nms_variant if nms else "none"
    protocol = EdgeProtocol(variant, num_thresholds, max_dist or BSDS_MAX_DIST)

    def predict(folder: Path, advance: Advance) -> None:
        from featheredge.metrics.benchmark import predict_bsds

        predict_bsds(prediction, dataset, split, folder, advance, scales)

    with _maps(prediction, predict, keep_maps) as maps, counter("scoring") as advance:
        scores = evaluate_edges(
            pair_up(maps, annotations),
            protocol,
            workers=workers or num_cores(),
            cache=_cache_folder() if cache else None,
            progress=advance,
        )
    if csv:
        write.write_edge_csv(scores, csv)
    if bsds_files:
        write.write_bsds_files(scores, bsds_files)
    if plot:
        human = pr_curve.HUMAN_BSDS500 if is_bsds and split == "test" else None
        pr_curve.plot({Path(prediction).stem: scores}, plot, human)
    sys.stdout.write(f"{json.dumps(scores.to_dict()) if as_json else scores}\n")


def _task_of(arguments: tuple[str, ...]) -> str:
    """Return the task of the first model in the arguments; "edges" if there is no model."""
    from featheredge.catalog import list_models
    from featheredge.session import Session

    tasks = {entry.name: entry.task for entry in list_models()}
    for argument in arguments:
        if argument in tasks:
            return tasks[argument]
        if argument.endswith(".onnx") and Path(argument).is_file():
            return Session(argument).task
    return "edges"


@contextmanager
def _maps(
    prediction: str, predict: Callable[[Path, Advance], None], keep: Path | None
) -> Iterator[Path]:
    """Yield the folder of maps: the given folder, or a new one with the maps of a model."""
    if Path(prediction).is_dir():
        if keep:
            raise ArgumentError(
                f"{prediction} is a folder of maps; leave out --keep-maps, which is for models"
            )
        yield Path(prediction)
        return
    _refuse_unknown(prediction)
    with _kept(keep) if keep else TemporaryDirectory() as folder:
        with counter("predicting") as advance:
            predict(Path(folder), advance)
        yield Path(folder)


@contextmanager
def _kept(folder: Path) -> Iterator[Path]:
    """Yield the folder of kept maps; no other process writes in it meanwhile."""
    from featheredge.run_folder import locked

    with locked(folder):
        yield folder


def _refuse_unknown(prediction: str) -> None:
    """Raise an error with similar names if `prediction` is neither a folder nor a model."""
    from featheredge.catalog import list_models
    from featheredge.weights_file import is_path

    models = [entry.name for entry in list_models()]
    if prediction in models or (is_path(prediction) and Path(prediction).is_file()):
        return
    folder = Path(prediction).parent
    folders = [str(path) for path in folder.glob("*/")] if folder.is_dir() else []
    near = difflib.get_close_matches(prediction.rstrip("/"), [*folders, *models], n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise EvaluationError(
        f"{prediction}: no such folder of maps, and no such model{hint} (give a folder, a name "
        "from `featheredge models` or an .onnx file)"
    )


def _cache_folder() -> Path:
    """Return the folder of the cache, following the XDG base directory specification."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "featheredge" / "eval"
