"""Verbs that need `featheredge[lab]`: train, prune, export, label, reproduce a table."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.cli.dataset import bsds_folder
from featheredge.cli.progress import counter, training_progress
from featheredge.errors import ArgumentError, OutputError
from featheredge.extras import require

if TYPE_CHECKING:
    from featheredge.models.network import Purpose


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
) -> None:
    """Train a network by a recipe, or go on with a run that was stopped.

    Args:
        recipe: A .toml file, or the name of a shipped recipe.
        output: The run folder. Left out: runs/NAME.
        settings: Change a value of the recipe, as in --set data.root=/data/bsds500.
        accelerator: cpu, cuda, mps, ...; never replaced by another.
        devices: How many of them.
    """
    require("lab", "`train`")
    from featheredge.training.loop import train as run_recipe
    from featheredge.training.recipe import load_recipe
    from featheredge.training.recipe_file import find_recipe

    loaded = load_recipe(find_recipe(recipe), settings)
    folder = output or Path("runs") / loaded.name
    with training_progress() as on_record:
        network = run_recipe(
            loaded, folder, accelerator=accelerator, devices=devices, on_record=on_record
        )
    sys.stdout.write(f"{network}\n")


def prune(
    recipe: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    settings: Annotated[
        tuple[str, ...], Parameter(name="--set", negative="", consume_multiple=False)
    ] = (),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Prune a trained network by a recipe, or go on with a run that was stopped.

    Channels are chosen and cut, layers refitted, batch norms estimated anew, and the network is
    fine-tuned; every step leaves a folder, and a table says what it cost and what it saved.

    Args:
        recipe: A .toml file, or the name of a shipped recipe (prune-...). A recipe whose source is
            FILE.py:FUNCTION runs that file.
        output: The run folder. Left out: runs/NAME.
        settings: Change a value of the recipe, as in --set budget.latency=0.5.
        as_json: Print one JSON object.
    """
    require("lab", "`prune`")
    from featheredge.runs.prune_recipe import load_prune_recipe
    from featheredge.runs.prune_run import run_pruning
    from featheredge.training.cpu import keep_freed_memory
    from featheredge.training.recipe_file import find_recipe

    loaded = load_prune_recipe(find_recipe(recipe), settings)
    folder = output or Path("runs") / loaded.name
    keep_freed_memory()
    with training_progress() as on_record:
        result = run_pruning(
            loaded, folder, announce=lambda line: sys.stderr.write(f"{line}\n"), on_record=on_record
        )
    sys.stdout.write(f"{json.dumps(result.to_dict()) if as_json else result}\n")


def export(
    network: str,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    name: str | None = None,
    task: Literal["edges", "saliency"] | None = None,
    input_px: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    storage: Literal["fp16", "fp32"] = "fp16",
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False,
) -> None:
    """Write a trained network as the self-contained .onnx file that every other verb takes.

    Args:
        network: A folder that `featheredge train` printed, or NAME:FILE.safetensors.
        output: The .onnx file to write.
        name: What the file calls itself. Left out: the output's name.
        task: What its maps mean. Only for a network whose config.json does not say it.
        input_px: Side of the square that pictures are stretched to, the size it was trained at.
            Left out: what config.json says. Networks without it take pictures at their own size.
        storage: fp16 halves the file; the arithmetic is float32 either way.
        force: Replace an existing file.
    """
    require("lab", "`export`")
    from featheredge.deploy.export import export_network
    from featheredge.models import build

    if output.exists() and not force:
        raise OutputError(f"{output} exists; give another name, or -f to replace it")
    purpose = _purpose(network, task, input_px)
    difference = export_network(
        build.load_trained(network),
        output,
        name=name or output.stem,
        task=purpose.task,
        input_px=purpose.input_px,
        storage=storage,
    )
    size_mb = output.stat().st_size / 1e6
    sys.stdout.write(f"{output}  {size_mb:.2f} MB, within {difference:.1e} of PyTorch\n")


def _purpose(
    network: str, task: Literal["edges", "saliency"] | None, input_px: int | None
) -> "Purpose":
    """What a network was trained for, as it stores it or else as the options say."""
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
            f"{network} does not say what it was trained for; add --task edges, or --task saliency "
            "--input-px N, where N is the size it was trained at"
        )
    if task == "saliency" and input_px is None:
        raise ArgumentError("--task saliency needs --input-px, the size the network was trained at")
    return Purpose(task, input_px)


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
    """Store teachers' maps of pictures, for students to learn from.

    Example: featheredge label onnx:u2netp.onnx photos -o maps --also onnx:isnet.onnx

    Args:
        teacher: A folder that `featheredge train` printed, a name from `featheredge models`,
            NAME:FILE.safetensors, as in pidinet:pidinet_bsds_voc.safetensors, or onnx:FILE.onnx
            with a FILE.toml beside it that declares what the network expects.
        pictures: Files, or folders of .jpg and .png files.
        output: The folder to write ID.png to. Maps that exist stay.
        also: Another teacher, whose map is averaged with the first one's. Repeat it for more.
        weights: How much each teacher's map counts, as in --weights 1 2.
        scales: Sizes of the picture that are averaged, as in --scales 0.5 1 1.5.
        flip: Average over the mirrored picture too.
        max_disagreement: Refuse pictures on which the teachers' maps differ by more, on average.
        min_object: Refuse pictures whose object covers a smaller share of the pixels.
        max_unsure: Refuse pictures with more pixels between 0.1 and 0.9, per pixel of the object.
    """
    require("lab", "`label`")
    from featheredge.models import build
    from featheredge.training.cpu import keep_freed_memory
    from featheredge.training.teacher import Averaging, Teacher
    from featheredge.training.teacher_maps import Selection, store_maps

    files = [file for path in pictures for file in _pictures_in(path)]
    if not files:
        raise ArgumentError(f"no .jpg or .png in {', '.join(map(str, pictures))}")
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
    chain: Literal["edge-distillation"],
    /,
    *,
    data: str,
    backbone: Path,
    teacher: str,
    output: Annotated[Path, Parameter(alias="-o")] = Path("runs/edge-distillation"),
    published: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Run every experiment of a published table, score it, print it beside the paper's numbers.

    A chain that was stopped goes on where it was.

    Args:
        chain: Which table.
        data: BSDS500 in its own layout, also as bsds500:FOLDER.
        backbone: MobileNetV2 trained on ImageNet, .safetensors with torchvision's keys.
        teacher: A folder that `featheredge train` printed, or NAME:FILE.safetensors.
        output: The folder of all runs.
        published: Train with the published schedule (days on a CPU) instead of the fast variants.
        as_json: Print one JSON object.
    """
    require("lab", "`reproduce`")
    import json
    from dataclasses import asdict

    from featheredge.run_folder import RECIPES_DIR
    from featheredge.runs.reproduce import Setting, edge_distillation, table
    from featheredge.timing import num_cores

    runs = {"edge-distillation": edge_distillation}
    setting = Setting(
        bsds_folder(data),
        backbone,
        teacher,
        RECIPES_DIR,
        output,
        fast=not published,
        workers=num_cores(),
    )
    with training_progress() as on_record:
        rows = runs[chain](setting, on_record, lambda line: sys.stderr.write(f"{line}\n"))
    rows_json = [{**asdict(row), "difference": row.difference} for row in rows]
    sys.stdout.write(f"{json.dumps({'rows': rows_json}) if as_json else table(rows)}\n")


def _pictures_in(path: Path) -> list[Path]:
    """The file itself, or the pictures of a folder by name."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix.lower() in (".jpg", ".png"))
