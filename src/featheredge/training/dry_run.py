"""Plan a run: what training would do, and how long it would take. Nothing is written."""

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning_fabric import Fabric

from featheredge.errors import ArgumentError
from featheredge.memory import machine_bytes
from featheredge.models.cost import num_params
from featheredge.run_folder import CHECKPOINT_FILE
from featheredge.timing import in_words
from featheredge.training.checkpoint import read_progress
from featheredge.training.cpu import flushed_denormals, keep_freed_memory
from featheredge.training.loop import TrainingRun
from featheredge.training.processes import check_shares, under_torchrun
from featheredge.training.recipe import Recipe
from featheredge.training.recipe_file import refuse_another
from featheredge.training.start import step_bytes

#: Steps that are timed, after one that is not.
_NUM_TIMED = 3


@dataclass(frozen=True)
class RunPlan:
    """The plan of a run; `str` formats it.

    Attributes:
        recipe: The recipe.
        network: The class of the network.
        num_params: Parameters of the network.
        num_trained: Parameters that change.
        num_train: Pictures that an epoch visits; a repeated picture counts each time.
        num_val: Pictures for validation.
        steps: Optimiser steps of the whole run.
        step_s: Seconds that a step took, the mean of a few.
        memory_bytes: Estimate for a step.
        steps_done: Steps that the run in the folder has completed.
    """

    recipe: Recipe
    network: str
    num_params: int
    num_trained: int
    num_train: int
    num_val: int
    steps: int
    step_s: float
    memory_bytes: int
    steps_done: int

    def __str__(self) -> str:
        recipe, run = self.recipe, self.recipe.run
        epochs, side = recipe.schedule.epochs, recipe.augment.crop_px
        accumulated = "" if run.accumulate == 1 else f"{run.accumulate} x "
        crops = "whole pictures stretched to" if recipe.augment.whole else "crops of"
        remaining = self.step_s * (self.steps - self.steps_done)
        done = f"resumes after step {self.steps_done}; " if self.steps_done else ""
        limit = machine_bytes()
        available = "" if limit is None else f" of {limit / 1e9:.0f} GB"
        rows = {
            "recipe": f"{recipe.name}, {recipe.task}",
            "network": (
                f"{self.network}, {self.num_params:,} parameters, {self.num_trained:,} trained"
            ),
            "data": f"{self.num_train:,} pictures an epoch, {self.num_val:,} for validation",
            "steps": (
                f"{self.steps:,}: {epochs} epochs of {self.steps // epochs:,}, each step "
                f"{accumulated}{run.batch_size} {crops} {side}x{side}"
            ),
            "memory": f"about {self.memory_bytes / 1e9:.1f} GB{available} for a step",
            "time": (
                f"{done}about {in_words(remaining)}, {self.step_s:.2g} s a step; validation is "
                "not counted"
            ),
        }
        return "\n".join(f"{name:9}{text}" for name, text in rows.items())


@flushed_denormals()
def plan_run(
    recipe: Recipe, folder: Path, *, accelerator: str = "cpu", devices: int = 1
) -> RunPlan:
    """Prepare a run as `featheredge.training.loop.train` does, and time a few of its steps.

    Nothing is written to `folder`, nor to `data.cache`. One device is timed with the whole batch;
    several are taken to need an equal part of that time.

    Args:
        recipe: The recipe to run.
        folder: The run folder.
        accelerator: As for `train`.
        devices: As for `train`.

    Raises:
        ArgumentError: torchrun started this process.
        RecipeError: The folder holds a run of another recipe, or the recipe cannot be run.
        WeightsError: Initial weights or the checkpoint of the run are damaged.
        EvaluationError: The data set is not where the recipe says.
    """
    if under_torchrun():
        raise ArgumentError("a dry run is one process; start it without torchrun")
    refuse_another(folder, recipe)
    check_shares(recipe.run.batch_size, devices)
    checkpoint = folder / CHECKPOINT_FILE
    steps_done = int(read_progress(checkpoint)["step"]) if checkpoint.exists() else 0
    keep_freed_memory()
    fabric = Fabric(accelerator=accelerator, devices=1, precision=recipe.run.precision)
    with TemporaryDirectory() as scratch:
        run = TrainingRun(_without_cache(recipe), Path(scratch), fabric)
        step_s = _time_steps(run) / devices
    trained = (p for p in run.network.parameters() if p.requires_grad)
    return RunPlan(
        recipe,
        type(run.network).__name__,
        num_params(run.network),
        sum(parameter.numel() for parameter in trained),
        len(run.train_pairs),
        len(run.val_pairs),
        run.length.steps,
        step_s,
        step_bytes(recipe, run.network),
        steps_done,
    )


def _without_cache(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"cache": None})})


def _time_steps(run: TrainingRun) -> float:
    """Time a step in seconds: the mean of a few after the first, or the only one of a run."""
    seconds = []
    for step in range(1, min(_NUM_TIMED + 1, run.length.steps) + 1):
        started = time.perf_counter()
        run.take_step(step)
        seconds.append(time.perf_counter() - started)
    counted = seconds[1:] or seconds
    return sum(counted) / len(counted)
