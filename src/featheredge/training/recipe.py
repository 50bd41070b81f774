"""Recipes: one TOML file holds everything that decides what a training run produces.

An unknown key is an error, so a misspelt setting cannot pass unnoticed.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from featheredge.data.augment import Augmentation
from featheredge.errors import RecipeError
from featheredge.training.distill import Adaptation, OutputDistillation
from featheredge.training.losses import EdgeLoss
from featheredge.training.teacher import Averaging


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Section):
    """What to learn from. `root` is taken relative to the working directory."""

    dataset: Literal["bsds500"] = "bsds500"
    root: Path = Path("data/bsds500")
    train_splits: tuple[str, ...] = ("train",)
    val_splits: tuple[str, ...] = ("val",)
    num_workers: int = Field(0, ge=0)


class Network(_Section):
    """Which network of the zoo, with which widths, from which weights."""

    name: str
    widths: dict[str, Any] = {}
    backbone: Path | None = None


class Distillation(_Section):
    """Which teachers (folders of saved networks), and what to learn from them beside the labels."""

    teachers: tuple[Path, ...] = Field(min_length=1)
    averaging: Averaging = Averaging()
    output: OutputDistillation | None = None
    adaptor: Adaptation | None = None

    @model_validator(mode="after")
    def _teaches(self) -> Self:
        if self.output is None and self.adaptor is None:
            raise ValueError("give [distill.output], [distill.adaptor] or both; else leave it out")
        if self.adaptor is not None and len(self.teachers) > 1:
            raise ValueError("the adaptor reads one teacher's features; give one teacher")
        return self


class Optimiser(_Section):
    """SGD (Nesterov off) or AdamW; `encoder_lr` scales the rate of the pretrained encoder."""

    kind: Literal["sgd", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    decay_norms_and_biases: bool = False
    momentum: float = Field(0.9, ge=0, lt=1)
    encoder_lr: float = Field(1.0, gt=0)
    clip_norm: float | None = Field(None, gt=0)


class Schedule(_Section):
    """The learning rate over the run: linear warm-up, then cosine to zero or steps."""

    kind: Literal["cosine", "step"]
    epochs: int = Field(gt=0)
    warmup_steps: int = Field(0, ge=0)
    step_epochs: tuple[int, ...] = ()
    step_factor: float = Field(0.1, gt=0, lt=1)


class Run(_Section):
    """How the steps are carried out."""

    batch_size: int = Field(gt=0)
    accumulate: int = Field(1, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = True
    ema_decay: float = Field(0.999, ge=0, lt=1)
    norm_batches: int = Field(30, gt=0)
    checkpoint_every_steps: int = Field(200, gt=0)
    validate_every_epochs: int = Field(1, gt=0)


class Recipe(_Section):
    """A whole training run."""

    name: str
    about: str
    seed: int = 0
    data: Data
    augment: Augmentation
    network: Network
    loss: EdgeLoss
    distill: Distillation | None = None
    optimiser: Optimiser
    schedule: Schedule
    run: Run


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key.subkey=value` settings (values as in TOML, or bare text).

    Raises:
        RecipeError: unreadable file, not TOML, or a key or value the recipe does not have.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as cause:
        raise RecipeError(f"{path}: cannot be read: {cause.strerror}") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise RecipeError(f"{path}: not a TOML file: {cause}") from cause
    for setting in settings:
        _apply(table, setting)
    try:
        return Recipe.model_validate(table)
    except ValidationError as cause:
        lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors())
        raise RecipeError(f"{path}: " + "; ".join(lines)) from None


def _apply(table: dict[str, Any], setting: str) -> None:
    """Set one `key.subkey=value` in a parsed recipe."""
    dotted, equals, text = setting.partition("=")
    *parents, key = dotted.strip().split(".")
    if not equals or not key:
        raise RecipeError(f"a setting is written key.subkey=value; got {setting!r}")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{setting!r}: {parent} is a value, not a section")
    table[key] = _parse(text.strip())


def _parse(text: str) -> Any:
    """A TOML value, or the text itself where it is none (a path, say)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
