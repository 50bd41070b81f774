"""Verbs that need `featheredge[lab]`: train a recipe, export what came out."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.errors import ArgumentError, OutputError, ProviderError, RecipeError

if TYPE_CHECKING:
    from featheredge.training.log import Length

RECIPES_DIR = Path(__file__).parents[1] / "recipes"


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
    _require_lab()
    from featheredge.training.loop import train as run_recipe
    from featheredge.training.recipe import load_recipe

    loaded = load_recipe(_find_recipe(recipe), settings)
    folder = output or Path("runs") / loaded.name
    with _progress() as report:
        network = run_recipe(
            loaded, folder, accelerator=accelerator, devices=devices, report=report
        )
    sys.stdout.write(f"{network}\n")


def export(
    network: Path,
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    name: str | None = None,
    task: Literal["edges", "saliency"] = "edges",
    input_px: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    storage: Literal["fp16", "fp32"] = "fp16",
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False,
) -> None:
    """Write a trained network as the self-contained .onnx file that every other verb takes.

    Args:
        network: The folder that `featheredge train` printed.
        output: The .onnx file to write.
        name: What the file calls itself. Left out: the output's name.
        task: What its maps mean.
        input_px: Side of the square that it sees every picture as, the size it was trained at.
            Needed for saliency; left out, it takes pictures at their own size, large ones in tiles.
        storage: fp16 halves the file; the arithmetic is float32 either way.
        force: Replace an existing file.
    """
    _require_lab()
    from featheredge.deploy import onnx
    from featheredge.models import build

    if output.exists() and not force:
        raise OutputError(f"{output} exists; give another name, or -f to replace it")
    if task == "saliency" and input_px is None:
        raise ArgumentError("--task saliency needs --input-px, the size the network was trained at")
    difference = onnx.export(
        build.load(network),
        output,
        name=name or output.stem,
        task=task,
        input_px=input_px,
        storage=storage,
    )
    size_mb = output.stat().st_size / 1e6
    sys.stdout.write(f"{output}  {size_mb:.2f} MB, within {difference:.1e} of PyTorch\n")


def _require_lab() -> None:
    missing = [m for m in ("torch", "lightning_fabric", "pydantic", "onnx") if not _has(m)]
    if missing:
        raise ProviderError(
            f"this needs {', '.join(missing)}, which are not installed: "
            'pip install "featheredge[lab]"'
        )


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _find_recipe(recipe: str) -> Path:
    """The file itself, or the shipped recipe of that name."""
    path = Path(recipe)
    if path.suffix == ".toml":
        return path
    shipped = RECIPES_DIR / f"{recipe}.toml"
    if not shipped.is_file():
        names = ", ".join(sorted(file.stem for file in RECIPES_DIR.glob("*.toml")))
        raise RecipeError(f"no recipe is called {recipe!r}; shipped: {names}; or give a .toml file")
    return shipped


@contextmanager
def _progress() -> "Iterator[Callable[[dict[str, Any], Length], None]]":
    """A bar with loss and rate on a terminal; elsewhere one line for each epoch."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4g}  {task.fields[rate]:.1f} crops/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("train", total=None, loss=float("nan"), rate=0.0)

        def report(record: "dict[str, Any]", length: "Length") -> None:
            step = record["step"]
            if "val_loss" in record:
                console.print(f"epoch {record['epoch']}: validation loss {record['val_loss']:.4g}")
                return
            loss, rate = record["loss"], record["samples_per_s"]
            bar.update(task, total=length.steps, completed=step, loss=loss, rate=rate)
            if not console.is_terminal and step % length.steps_per_epoch == 0:
                epoch = step // length.steps_per_epoch
                console.print(f"epoch {epoch}/{length.epochs}: loss {loss:.4g}")

        yield report
