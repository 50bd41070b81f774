"""Recipes: one TOML file holds everything that decides what a training run produces.

Most keys have defaults; `featheredge new-recipe` writes a minimal recipe. An unknown key is an
error, so a misspelt setting cannot pass unnoticed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import PositiveFloat, model_validator
from pydantic.dataclasses import dataclass

from featheredge.catalog import Task
from featheredge.data.augment import Augmentation
from featheredge.errors import RecipeError
from featheredge.training.distill import Adaptation, OutputDistillation
from featheredge.training.losses import EdgeLoss, SaliencyLoss
from featheredge.training.norm_decay import ChannelDecay
from featheredge.training.old_recipes import upgrade
from featheredge.training.recipe_check import Section, check
from featheredge.training.recipe_file import RunName, named_like
from featheredge.training.recipe_sections import Data, NetworkSettings, Optimiser, Run, Schedule
from featheredge.training.teacher import Averaging


class Distillation(Section):
    """What to learn from teachers in addition to the labels.

    Attributes:
        teachers: Folders of saved networks, shipped names, NAME:FILE.safetensors or
            onnx:FILE.onnx; empty if stored maps (data.maps) teach.
        weights: How much each teacher's map counts in their mean; empty: all count the same.
        averaging: Sizes and mirror images over which each teacher's map is averaged.
        output: The loss on final maps.
        adaptor: The loss on encoder features.
    """

    teachers: tuple[str, ...] = ()
    weights: tuple[PositiveFloat, ...] = ()
    averaging: Averaging = Averaging()
    output: OutputDistillation | None = None
    adaptor: Adaptation | None = None

    @model_validator(mode="after")
    def _teaches(self) -> Self:
        if self.output is None and self.adaptor is None:
            raise ValueError("give [distill.output], [distill.adaptor] or both; else leave it out")
        if self.adaptor is not None and len(self.teachers) != 1:
            raise ValueError("the adaptor reads one teacher's features; give one in teachers")
        if self.weights and len(self.weights) != len(self.teachers):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.teachers)} teachers; give one for each"
            )
        return self


#: The loss of a task on labels.
TaskLoss = EdgeLoss | SaliencyLoss


class Recipe(Section):
    """A training run.

    Attributes:
        name: The name of the run; its folder is runs/NAME. Left out: the name of the file.
        about: What it is for, in a sentence.
        task: "edges" or "saliency": which loss is minimised, and in which layout the data are.
        seed: Decides crops, their order and the initial weights of new layers.
        data: The data to train on.
        augment: How crops are cut and changed.
        network: The network to train.
        loss: The loss on labels; each task has its own.
        distill: What to learn from teachers.
        decay: Learn channel counts by decaying norm scales.
        optimiser: How weights change.
        schedule: The length of the run and the learning rate over it.
        run: Batch size, precision, averaging, checkpoints.
    """

    name: RunName
    about: str = ""
    task: Task
    seed: int = 0
    data: Data
    augment: Augmentation = Augmentation()
    network: NetworkSettings
    loss: TaskLoss = EdgeLoss()
    distill: Distillation | None = None
    decay: ChannelDecay | None = None
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    run: Run = Run()

    @property
    def input_px(self) -> int | None:
        """Side of the square that the network sees every picture as; None for crops."""
        return self.augment.crop_px if self.augment.whole else None

    @model_validator(mode="after")
    def _maps_of_all(self) -> Self:
        if self.task == "edges" and self.data.unlabelled is not None and self.data.maps is None:
            raise ValueError("data.unlabelled needs data.maps too, for the annotated pictures")
        return self

    @model_validator(mode="after")
    def _collages_of_masks(self) -> Self:
        if self.augment.collage and self.task != "saliency":
            raise ValueError('augment.collage pastes the object in a mask: task = "saliency" only')
        return self

    @model_validator(mode="after")
    def _one_source_of_maps(self) -> Self:
        distill = self.distill
        stored = self.data.maps is not None or self.data.unlabelled is not None
        if distill is None or distill.output is None:
            if stored:
                raise ValueError(
                    "data.maps are not used: add [distill.output], or remove data.maps and "
                    "data.unlabelled"
                )
            return self
        if stored and distill.teachers and distill.adaptor is None:
            raise ValueError(
                "maps come from data.maps or from distill.teachers, not from both; remove one"
            )
        if not stored and not distill.teachers:
            raise ValueError("[distill.output] needs distill.teachers or data.maps")
        return self


class EdgeRecipe(Recipe):
    """A recipe with `task = "edges"`."""

    task: Literal["edges"]
    loss: EdgeLoss = EdgeLoss()


@dataclass(frozen=True, config={"extra": "forbid"})
class WholePictures(Augmentation):
    """`Augmentation` for saliency: whole pictures, unless `whole` is false."""

    whole: bool = True


class SaliencyRecipe(Recipe):
    """A recipe with `task = "saliency"`."""

    task: Literal["saliency"]
    augment: WholePictures = WholePictures()
    loss: SaliencyLoss = SaliencyLoss()


_KINDS: dict[str, type[Recipe]] = {"edges": EdgeRecipe, "saliency": SaliencyRecipe}


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key.subkey=value` settings, see `read_toml`.

    Raises:
        RecipeError: The file is unreadable or not TOML, or the recipe has problems; the message
            lists all of them.
    """
    table = named_like(path, settings)
    if "source" in table and "network" not in table:
        raise RecipeError(f"{path}: a recipe for pruning; type `featheredge prune {path}`")
    return make_recipe(table, path)


def make_recipe(table: dict[str, Any], source: object) -> Recipe:
    """Make a recipe from the tables of its sections.

    Args:
        table: The content of a recipe file.
        source: What messages call it.

    Raises:
        RecipeError: The recipe has problems; the message lists all of them.
    """
    kind = _KINDS.get(str(upgrade(table).table.get("task")))
    if kind is None:  # without a task, the keys of the loss cannot be checked
        return check(Recipe, {key: table[key] for key in table if key != "loss"}, source)
    return check(kind, table, source)
