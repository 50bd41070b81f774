"""Read prune recipes: TOML files that define a whole pruning run.

An unknown key is an error, as in training recipes.
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
from featheredge.pruning.group_error import RIDGE
from featheredge.training.distill import OutputDistillation
from featheredge.training.recipe_check import Section, check
from featheredge.training.recipe_file import RunName, named_like
from featheredge.training.recipe_sections import Data

#: Steps that every run may have, in order; the fine-tunings in [training] follow.
UNPRUNED, CUT, REFIT, NORMS = "unpruned", "cut", "refit", "norms"

#: The criterion that keeps what training has kept, see `featheredge.pruning.learned`.
LEARNED = "learned"

_CUSTOM = re.compile(r"(?P<file>.+\.py):(?P<function>\w+)")
_STEP_NAME = re.compile(r"[a-z][a-z0-9-]*")

Colour = tuple[float, float, float]


class Calibration(Section):
    """Square pictures on which layers are measured and batch norms are estimated.

    Attributes:
        pictures: Folder of pictures, with any folders inside; default: those of data.train_splits.
        count: Number of squares.
        crop_px: Side of the squares in pixels.
        whole: Resize whole pictures to the square; otherwise crop at random positions.
        points: Number of random positions per layer and picture.
        mean: Mean that your own network subtracts from RGB in [0, 1]; networks of the zoo ignore
            it.
        std: Standard deviation that your own network divides by; networks of the zoo ignore it.
    """

    pictures: Path | None = None
    count: PositiveInt = 64
    crop_px: PositiveInt = 256
    whole: bool = False
    points: PositiveInt = 10
    mean: Colour = (0.0, 0.0, 0.0)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)


class Prune(Section):
    """How channels are chosen, and how the layers that read them are refitted.

    Attributes:
        criterion: "lasso", "magnitude", "geometric-median" or "random"; or "learned", for a network
            that was trained with norm decay: channels that no longer vary are cut, without a
            budget or a refit.
        ridge: Weight of the penalty on the change of refitted kernels.
        counts: Group -> units to keep, instead of a budget.
    """

    criterion: str = "lasso"
    ridge: float = Field(default=RIDGE, ge=0)
    counts: dict[str, PositiveInt] | None = None

    @field_validator("criterion")
    @classmethod
    def _known(cls, criterion: str) -> str:
        if criterion not in (*CRITERIA, LEARNED):
            known = ", ".join((*CRITERIA, LEARNED))
            raise ValueError(f"unknown criterion {criterion!r}; choose one of {known}")
        return criterion


class FineTuning(Section):
    """A fine-tuning of the pruned network by a training recipe.

    It starts from the pruned network and uses the data of the prune recipe.

    Attributes:
        recipe: Name of a shipped training recipe, or a .toml file.
        settings: Changes to the recipe, as after `--set`.
        distill: Also train on a teacher's final maps.
        maps: Folder of stored teacher maps, as `featheredge label` writes them with the unpruned
            network or a better one. Default: the unpruned network runs on every crop.
    """

    recipe: str
    settings: tuple[str, ...] = ()
    distill: OutputDistillation | None = None
    maps: Path | None = None

    @model_validator(mode="after")
    def _learns_from_maps(self) -> Self:
        if self.maps is not None and self.distill is None:
            raise ValueError(
                "maps is set but distill is not, so no loss uses the maps; set distill"
            )
        return self


class TimingSettings(Section):
    """How networks are timed: interleaved, in ONNX Runtime, one picture at a time.

    Attributes:
        rounds: Number of runs of each network.
        threads: Threads of ONNX Runtime.
    """

    rounds: PositiveInt = 20
    threads: PositiveInt = 1


class PruneRecipe(Section):
    """A whole pruning run.

    Attributes:
        name: Name of the run.
        about: Purpose of the run.
        seed: Seed of pictures, positions and random units.
        source: The trained network, an argument of `featheredge.models.build.load_trained`; or
            FILE.py:FUNCTION, where the function returns your own network. The file is executed.
        task: "edges" or "saliency"; none for your own module.
        data: Data for calibration, fine-tuning and scores (`val_splits`).
        calibration: Pictures on which layers are measured.
        prune: How channels are chosen.
        budget: How much to keep; instead of it, set prune.counts.
        training: Fine-tunings by name. Each starts from the pruned network and is a step.
        timing: How networks are timed, after all steps and when a plan is made.
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
        """File and function that return your own network; None for a network of the zoo."""
        found = _CUSTOM.fullmatch(self.source)
        return (Path(found["file"]), found["function"]) if found else None

    @property
    def purpose(self) -> Purpose:
        """Task and input size of the network and its pruned forms; none for your own module."""
        assert self.task is not None
        whole = self.calibration.whole
        return Purpose(self.task, self.calibration.crop_px if whole else None)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the picture that costs are counted for."""
        if self.budget is not None:
            return self.budget.size
        return self.calibration.crop_px, self.calibration.crop_px

    @model_validator(mode="after")
    def _sets_what_to_keep(self) -> Self:
        learned = self.prune.criterion == LEARNED
        if sum((self.budget is not None, self.prune.counts is not None, learned)) != 1:
            raise ValueError(
                'set exactly one of [budget], prune.counts or prune.criterion = "learned"'
            )
        if learned and self.custom is not None:
            raise ValueError(
                f'prune.criterion = "{LEARNED}" needs a network of the zoo, and source is your own '
                "module; choose another criterion"
            )
        if self.calibration.pictures is None and self.data is None:
            raise ValueError("no calibration pictures; set calibration.pictures or [data]")
        return self

    @model_validator(mode="after")
    def _can_be_tuned(self) -> Self:
        if self.custom is not None and (self.training or self.data is not None):
            raise ValueError(
                "[training] and [data] need a network of the zoo, and source is your own module; "
                "remove them, and fine-tune and score the pruned network in your own training loop"
            )
        if self.training and self.data is None:
            raise ValueError("[training] needs data to fine-tune on; set [data]")
        if self.data is not None and self.data.maps is not None:
            raise ValueError(
                "data.maps is for training recipes; set training.NAME.maps for one fine-tuning"
            )
        for name in self.training:
            if name in (UNPRUNED, CUT, REFIT, NORMS) or not _STEP_NAME.fullmatch(name):
                raise ValueError(
                    f"training.{name}: {name!r} cannot name a step; use lower-case letters, digits "
                    f"and -, and none of {', '.join((UNPRUNED, CUT, REFIT, NORMS))}"
                )
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
                    f"budget.size is {self.budget.size}, but calibration.whole resizes pictures to "
                    f"squares of calibration.crop_px; set budget.size = {list(square)}"
                )
        return self


def load_prune_recipe(path: Path, settings: Sequence[str] = ()) -> PruneRecipe:
    """Read a prune recipe and apply `key.subkey=value` settings.

    Raises:
        RecipeError: The file cannot be read or is not TOML, or a key or value is invalid.
    """
    table = named_like(path, settings)
    if "network" in table and "source" not in table:
        raise RecipeError(f"{path}: a recipe for training; type `featheredge train {path}`")
    return check(PruneRecipe, table, path)
