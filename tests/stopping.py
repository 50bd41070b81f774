"""Runs that end early and are started again."""

from pathlib import Path

import pytest

from featheredge.training.log import LogCallback
from featheredge.training.loop import train
from featheredge.training.recipe import Recipe


class Stopped(Exception):
    """Stands for whatever ends a run early."""


def train_until(recipe: Recipe, folder: Path, step: int) -> None:
    """A run that ends right after optimiser step `step` was logged."""
    with pytest.raises(Stopped):
        train(recipe, folder, on_record=_stop_after(step))


def train_with_a_stop(recipe: Recipe, folder: Path, step: int) -> Path:
    """A run that ends right after `step`, and continues to its end when it is started again."""
    train_until(recipe, folder, step)
    return train(recipe, folder)


def _stop_after(step: int) -> LogCallback:
    def on_record(record, length):
        if record["step"] == step:
            raise Stopped

    return on_record
