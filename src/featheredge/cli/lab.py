"""The verbs `train`, `prune`, `label` and `reproduce`, which need `featheredge[lab]`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.cli.dataset import bsds_folder
from featheredge.cli.progress import counter, training_progress
from featheredge.errors import ArgumentError
from featheredge.extras import require


def train(
    recipe: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    settings: Annotated[
        tuple[str, ...], Parameter(name="--set", negative="", consume_multiple=False)
    ] = (),
    accelerator: str = "cpu",
    devices: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Train a network with a recipe, or resume a run that was stopped.

    Args:
        recipe: A .toml file or the name of a shipped recipe.
        output: The run folder. Default: runs/NAME.
        settings: Change a value of the recipe, as in --set data.root=/data/bsds500.
        accelerator: cpu, cuda, mps, ... There is no fallback to another accelerator.
        devices: Number of devices of this machine. Leave it out under torchrun.
        dry_run: Print the plan and an estimate of the time from a few steps. Nothing is written.
    """
    require("lab", "`train`")
    from featheredge.training.dry_run import plan_run
    from featheredge.training.loop import train as run_recipe
    from featheredge.training.processes import is_first
    from featheredge.training.recipe import load_recipe
    from featheredge.training.recipe_file import find_recipe

    loaded = load_recipe(find_recipe(recipe), settings)
    folder = output or Path("runs") / loaded.name
    if dry_run:
        plan = plan_run(loaded, folder, accelerator=accelerator, devices=devices)
        sys.stdout.write(f"{plan}\n{'folder':9}{folder}\n")
        return
    with training_progress() as progress:
        network = run_recipe(
            loaded,
            folder,
            accelerator=accelerator,
            devices=devices,
            on_record=progress,
            on_decoded=progress.decoded,
        )
    if is_first():
        sys.stdout.write(f"{network}\n")


def prune(
    recipe: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    settings: Annotated[
        tuple[str, ...], Parameter(name="--set", negative="", consume_multiple=False)
    ] = (),
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Prune a trained network with a recipe, or resume a run that was stopped.

    The steps are: choose channels and remove them, refit the layers, estimate the batch norms
    again, and fine-tune the network. Every step writes a folder, and a table shows its loss of
    accuracy and its gain in speed.

    Args:
        recipe: A .toml file or the name of a shipped recipe (prune-...). A recipe whose source is
            FILE.py:FUNCTION runs that file.
        output: The run folder. Default: runs/NAME.
        settings: Change a value of the recipe, as in --set budget.latency=0.5.
        dry_run: Print the plan and an estimate of each fine-tuning's time. Nothing is written.
        as_json: Print one JSON object.
    """
    require("lab", "`prune`")
    from featheredge.runs.prune_dry_run import plan_pruning
    from featheredge.runs.prune_recipe import load_prune_recipe
    from featheredge.runs.prune_run import run_pruning
    from featheredge.training.cpu import keep_freed_memory
    from featheredge.training.recipe_file import find_recipe

    loaded = load_prune_recipe(find_recipe(recipe), settings)
    folder = output or Path("runs") / loaded.name
    if dry_run:
        sys.stdout.write(f"{plan_pruning(loaded, folder)}\n{'folder':9}{folder}\n")
        return
    keep_freed_memory()
    with training_progress() as on_record:
        result = run_pruning(
            loaded, folder, announce=lambda line: sys.stderr.write(f"{line}\n"), on_record=on_record
        )
    sys.stdout.write(f"{json.dumps(result.to_dict()) if as_json else result}\n")


def label(
    teacher: str,
    pictures: Annotated[tuple[Path, ...], Parameter(negative="")],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    also: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=False)] = (),
    weights: Annotated[tuple[float, ...], Parameter(negative="", consume_multiple=True)] = (),
    scales: Annotated[tuple[float, ...], Parameter(negative="", consume_multiple=True)] = (1.0,),
    flip: bool = False,
    max_disagreement: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 1.0,
    min_object: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0.0,
    max_unsure: Annotated[float, Parameter(validator=Number(gte=0))] = float("inf"),
) -> None:
    """Store the maps that teachers predict, to train students on.

    Args:
        teacher: A folder that `featheredge train` printed, a name from `featheredge models`,
            NAME:FILE.safetensors, as in pidinet:pidinet_bsds_voc.safetensors, or onnx:FILE.onnx
            with a FILE.toml next to it that declares the input of the network.
        pictures: Image files, or folders of .jpg and .png files.
        output: The folder for the maps ID.png. Existing maps are kept.
        also: Another teacher; the maps of all teachers are averaged. Repeat it for more teachers.
        weights: Weight of each teacher in the average, as in --weights 1 2.
        scales: Average over these scales of the image, as in --scales 0.5 1 1.5.
        flip: Average over the mirrored image too.
        max_disagreement: Refuse images whose maps differ by more between teachers, on average.
        min_object: Refuse images whose object covers a smaller share of the pixels.
        max_unsure: Refuse images with more pixels between 0.1 and 0.9, per pixel of the object.
    """
    require("lab", "`label`")
    from featheredge.models import build
    from featheredge.training.cpu import keep_freed_memory
    from featheredge.training.teacher import Averaging, Teacher
    from featheredge.training.teacher_maps import Selection, store_maps

    files = [file for path in pictures for file in _pictures_in(path)]
    if not files:
        raise ArgumentError(
            f"no .jpg or .png files in {', '.join(map(str, pictures))}; give a folder of images"
        )
    keep_freed_memory()
    averaging = Averaging(scales, flip)
    teachers = [Teacher(build.load_trained(each), averaging) for each in (teacher, *also)]
    selection = Selection(max_disagreement, min_object, max_unsure)
    with counter("labelling") as advance:
        refused = store_maps(
            teachers, files, output, weights=weights, selection=selection, progress=advance
        )
    kept = len(files) - sum(refused.values())
    reasons = "".join(f", {count} refused: {reason}" for reason, count in refused.items())
    sys.stderr.write(f"{kept} maps{reasons}\n")
    sys.stdout.write(f"{output}\n")


def reproduce(
    chain: Literal[
        "edge-distillation", "saliency-distillation", "table1", "csnet-cost", "octave-splits"
    ],
    /,
    *,
    data: str | None = None,
    backbone: Path | None = None,
    teacher: str | None = None,
    pruned: str | None = None,
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    seeds: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    published: Annotated[bool, Parameter(negative="")] = False,
    times: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Run and score all experiments of a published table, and print them next to its numbers.

    edge-distillation trains students; the same command resumes a run that was stopped.
    saliency-distillation trains the same students on masks, which no paper did. table1
    measures the cost of RCF, a pruned RCF, the students and our networks at 1000x1000. csnet-cost
    needs no data: it counts and times the CSNet family, as published and with exact rewrites, and
    counts CSF beside PoolNet.
    octave-splits trains extractors that split their channels differently between two scales.

    Args:
        chain: The table.
        data: The folder of BSDS500 in its published layout, or bsds500:FOLDER. table1 has scores
            only with it, of networks with trained weights. For saliency-distillation and
            octave-splits, the folder of MSRA10K.
        backbone: For both distillations: MobileNetV2 trained on ImageNet, a .safetensors file with
            torchvision's keys.
        teacher: A folder that `featheredge train` printed, or NAME:FILE.safetensors. For table1 a
            trained RCF; without it RCF has random weights and no score.
        pruned: For table1, the same for a pruned RCF. Default: random weights, 0.6 of every width.
        threads: For table1, threads for inference.
        rounds: For table1, number of timing rounds.
        seeds: For octave-splits, number of seeds for each split.
        output: The folder of all runs. Default: runs/CHAIN.
        published: For edge-distillation: use the published training schedule (days on a CPU)
            instead of a fast one.
        times: For both distillations: train this many times as many epochs.
        as_json: Print one JSON object.
    """
    require("lab", "`reproduce`")
    if times > 1 and not chain.endswith("-distillation"):
        raise ArgumentError(f"{chain} has one schedule; leave out --times")
    if chain == "csnet-cost":
        _csnet_cost(as_json)
        return
    if chain == "table1":
        _table1(data, teacher, pruned, threads, rounds, as_json)
        return
    if chain == "octave-splits":
        _octave_splits(data, output or Path("runs") / chain, seeds, as_json)
        return
    if data is None or backbone is None or teacher is None:
        raise ArgumentError(f"{chain} needs data to train on: add --data, --backbone and --teacher")
    folder = output or Path("runs") / (chain if times == 1 else f"{chain}-{times}-times")
    _distillation(chain, data, backbone, teacher, folder, published, times, as_json)


def _distillation(
    name: Literal["edge-distillation", "saliency-distillation"],
    data: str,
    backbone: Path,
    teacher: str,
    folder: Path,
    published: bool,
    times: int,
    as_json: bool,
) -> None:
    """Train the students of a chain, and print their scores."""
    from dataclasses import asdict

    from featheredge.run_folder import RECIPES_DIR
    from featheredge.runs.distillation import (
        EDGE_DISTILLATION,
        SALIENCY_DISTILLATION,
        Setting,
        distillation,
        table,
    )
    from featheredge.timing import num_cores

    edges = name == "edge-distillation"
    if published and not edges:
        raise ArgumentError(f"no paper has a schedule for {name}; leave out --published")
    if published and times > 1:
        raise ArgumentError("the published schedule has a fixed length; leave out --times")
    chain = EDGE_DISTILLATION if edges else SALIENCY_DISTILLATION
    setting = Setting(
        bsds_folder(data) if edges else Path(data),
        backbone,
        teacher,
        RECIPES_DIR,
        folder,
        fast=not published,
        times=times,
        workers=num_cores(),
    )
    with training_progress() as on_record:
        rows = distillation(chain, setting, on_record, lambda line: sys.stderr.write(f"{line}\n"))
    rows_json = [{**asdict(row), "difference": row.difference} for row in rows]
    sys.stdout.write(f"{json.dumps({'rows': rows_json}) if as_json else table(chain, rows)}\n")


def _table1(
    data: str | None,
    teacher: str | None,
    pruned: str | None,
    threads: int,
    rounds: int,
    as_json: bool,
) -> None:
    """Measure and print table 1 of the first paper."""
    if data is not None:
        require("eval", "`reproduce table1 --data`", "numba", "scipy")
    from featheredge.runs.table1 import entries, table1

    bsds = None if data is None else bsds_folder(data)
    found = table1(entries(teacher, pruned), bsds=bsds, threads=threads, rounds=rounds)
    sys.stdout.write(f"{json.dumps(found.to_dict()) if as_json else found}\n")


def _csnet_cost(as_json: bool) -> None:
    """Print the costs of the CSNet family."""
    from dataclasses import asdict

    from featheredge.runs.csnet_cost import cost_table, csf_cost, csnet_cost

    rows = csnet_cost(announce=lambda name: sys.stderr.write(f"{name}\n"))
    if as_json:
        rows_json = [{**asdict(row), "times_faster": row.times_faster} for row in rows]
        sys.stdout.write(f"{json.dumps({'rows': rows_json})}\n")
    else:
        sys.stdout.write(f"{cost_table(rows)}\n{csf_cost()}\n")


def _octave_splits(data: str | None, folder: Path, seeds: int, as_json: bool) -> None:
    """Train and print the splits of channels between two scales."""
    from dataclasses import asdict

    from featheredge.run_folder import RECIPES_DIR
    from featheredge.runs.octave_splits import octave_splits, splits_table
    from featheredge.timing import num_cores

    if data is None:
        raise ArgumentError(
            "octave-splits needs pictures with masks: add --data FOLDER, of MSRA10K"
        )
    with training_progress() as on_record:
        rows = octave_splits(
            RECIPES_DIR / "octave-split.toml",
            Path(data),
            folder,
            seeds=seeds,
            workers=num_cores(),
            on_record=on_record,
            announce=lambda line: sys.stderr.write(f"{line}\n"),
        )
    rows_json = [asdict(row) for row in rows]
    sys.stdout.write(f"{json.dumps({'rows': rows_json}) if as_json else splits_table(rows)}\n")


def _pictures_in(path: Path) -> list[Path]:
    """Return the file itself, or the sorted images of a folder."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() in (".jpg", ".png"))
