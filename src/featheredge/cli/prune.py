"""Verb that makes a trained network smaller, by a recipe."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from featheredge.cli.progress import training_progress
from featheredge.extras import require


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
    from featheredge.pruning.chain import run_chain
    from featheredge.pruning.recipe import load_prune_recipe
    from featheredge.training.allocator import keep_freed_memory
    from featheredge.training.recipe_file import find_recipe

    loaded = load_prune_recipe(find_recipe(recipe), settings)
    folder = output or Path("runs") / loaded.name
    keep_freed_memory()
    with training_progress() as report:
        result = run_chain(
            loaded, folder, announce=lambda line: sys.stderr.write(f"{line}\n"), report=report
        )
    sys.stdout.write(f"{json.dumps(result.to_dict()) if as_json else result}\n")
