"""Prune recipes: one TOML file says what is pruned, on which pictures, to what, and tuned how.

An unknown key is an error, as in recipes for training.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from featheredge.catalog import Task
from featheredge.errors import RecipeError
from featheredge.models.network import Purpose
from featheredge.pruning.budget import Budget
from featheredge.pruning.criteria import CRITERIA
from featheredge.pruning.prune import RIDGE
from featheredge.training.distill import OutputDistillation
from featheredge.training.recipe_check import Section, check
from featheredge.training.recipe_file import RunName, named_like
from featheredge.training.recipe_sections import Data

#: Steps that every run may have, in their order; those of [training] follow.
UNPRUNED, CUT, REFIT, NORMS = "unpruned", "cut", "refit", "norms"

#: The criterion that asks nothing: training has decided, see `featheredge.pruning.learned`.
LEARNED = "learned"

_CUSTOM = re.compile(r"(?P<file>.+\.py):(?P<function>\w+)")
_STEP_NAME = re.compile(r"[a-z][a-z0-9-]*")

Colour = tuple[float, float, float]


class Calibration(Section):
    """Square pictures that layers are measured on, and batch norms estimated.

    Attributes:
        pictures: a folder, with any folders inside; left out, those of data.train_splits.
        count: how many.
        crop_px: their side.
        whole: squeeze whole pictures into the square; else it is cut out where `seed` says.
        points: random places per layer and picture.
        mean: subtracted from RGB in [0, 1] for a network of one's own; the zoo's know theirs.
        std: by which the rest is divided.
    """

    pictures: Path | None = None
    count: PositiveInt = 64
    crop_px: PositiveInt = 256
    whole: bool = False
    points: PositiveInt = 10
    mean: Colour = (0.0, 0.0, 0.0)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)


class Prune(Section):
    """How channels are chosen and what reads them is refitted.

    Attributes:
        criterion: "lasso", "magnitude", "geometric-median" or "random"; or "learned", for a network
            whose norms decayed in training: what no longer varies goes, nothing is refitted,
            and there is no budget.
        ridge: pull of the refitted kernels to what they were.
        counts: group -> units to keep, in place of a budget.
    """

    criterion: str = "lasso"
    ridge: float = Field(default=RIDGE, ge=0)
    counts: dict[str, PositiveInt] | None = None

    @field_validator("criterion")
    @classmethod
    def _known(cls, criterion: str) -> str:
        if criterion not in (*CRITERIA, LEARNED):
            raise ValueError(f"there are {', '.join((*CRITERIA, LEARNED))}")
        return criterion


class FineTuning(Section):
    """A fine-tuning of the pruned network, by a recipe for training with another start.

    Its data are those of the prune recipe, its network is the pruned one.

    Attributes:
        recipe: the name of a shipped recipe, or a .toml file.
        settings: changes to it, as after `--set`.
        distill: also learn from final maps.
        maps: folder of these, as `featheredge label` writes them with the unpruned network or a
            better one; left out, the unpruned network runs on every crop.
    """

    recipe: str
    settings: tuple[str, ...] = ()
    distill: OutputDistillation | None = None
    maps: Path | None = None

    @model_validator(mode="after")
    def _learns_from_maps(self) -> Self:
        if self.maps is not None and self.distill is None:
            raise ValueError("maps are read but nothing learns from them: give distill")
        return self


class TimingSettings(Section):
    """How the steps' networks are timed: in turns, in ONNX Runtime, one picture at a time."""

    rounds: PositiveInt = 20
    threads: PositiveInt = 1


class PruneRecipe(Section):
    """A whole pruning run.

    Attributes:
        name: of the run.
        about: what it is for.
        seed: of pictures, places and units chosen by chance.
        source: the trained network, as `featheredge.models.build.load_trained` takes it; or
            FILE.py:FUNCTION for a network of one's own that the function returns. That file is run.
        task: "edges" or "saliency"; left out for a custom module.
        data: what is calibrated, fine-tuned and scored on (`val_splits`).
        calibration: pictures for the layers.
        prune: how to choose.
        budget: what may be left; or else prune.counts.
        training: fine-tunings by name, each of the pruned network, each a step of its own.
        timing: of the steps' networks, and of trial networks when a plan is made.
    """

    name: RunName
    about: str = ""
    task: Task | None = None
    seed: int = 0
    source: str
    data: Data | None = None
    calibration: Calibration = Calibration()
    prune: Prune = Prune()
    budget: Budget | None = None
    training: dict[str, FineTuning] = Field(default_factory=dict)
    timing: TimingSettings = TimingSettings()

    @property
    def custom(self) -> tuple[Path, str] | None:
        """File and function that make a network of one's own; None for one of the zoo."""
        found = _CUSTOM.fullmatch(self.source)
        return (Path(found["file"]), found["function"]) if found else None

    @property
    def purpose(self) -> Purpose:
        """What the network and its pruned forms are for; not for a custom module."""
        assert self.task is not None
        whole = self.calibration.whole
        return Purpose(self.task, self.calibration.crop_px if whole else None)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture that costs are told for."""
        if self.budget is not None:
            return self.budget.size
        return self.calibration.crop_px, self.calibration.crop_px

    @model_validator(mode="after")
    def _says_what_is_left(self) -> Self:
        learned = self.prune.criterion == LEARNED
        if sum((self.budget is not None, self.prune.counts is not None, learned)) != 1:
            raise ValueError(
                "what is to be left is said by [budget], by prune.counts or by training "
                '(criterion = "learned"), by one of them'
            )
        if learned and self.custom is not None:
            raise ValueError(f'criterion = "{LEARNED}" is for networks of the zoo')
        if self.calibration.pictures is None and self.data is None:
            raise ValueError("give calibration.pictures, or [data] to take them from")
        return self

    @model_validator(mode="after")
    def _can_be_tuned(self) -> Self:
        if self.custom is not None and (self.training or self.data is not None):
            raise ValueError(
                "[training] and [data] are for networks of the zoo: how to train and score one of "
                "your own is not known here; take the pruned network to your own loop"
            )
        if self.training and self.data is None:
            raise ValueError("[training] needs [data]")
        if self.data is not None and self.data.maps is not None:
            raise ValueError(
                "data.maps: stored maps teach one fine-tuning; name them in training.NAME.maps"
            )
        for name in self.training:
            if name in (UNPRUNED, CUT, REFIT, NORMS) or not _STEP_NAME.fullmatch(name):
                raise ValueError(f"training.{name}: no name for a step; use letters, digits and -")
        return self

    @model_validator(mode="after")
    def _one_task(self) -> Self:
        if (self.task is None) != (self.custom is not None):
            raise ValueError(
                'missing: add task = "edges" or task = "saliency"'
                if self.task is None
                else "task is for networks of the zoo; leave it out for a custom module"
            )
        if self.custom is None and self.calibration.whole and self.budget is not None:
            square = (self.calibration.crop_px, self.calibration.crop_px)
            if self.budget.size != square:
                raise ValueError(
                    f"budget.size is {self.budget.size}, but the network sees whole pictures as "
                    f"squares of calibration.crop_px; set budget.size = {list(square)}"
                )
        return self


def load_prune_recipe(path: Path, settings: Sequence[str] = ()) -> PruneRecipe:
    """Read a prune recipe and apply `key.subkey=value` settings.

    Raises:
        RecipeError: unreadable file, not TOML, or a key or value the recipe does not have.
    """
    table = named_like(path, settings)
    if "network" in table and "source" not in table:
        raise RecipeError(f"{path}: a recipe for training; type `featheredge train {path}`")
    return check(PruneRecipe, table, path)
