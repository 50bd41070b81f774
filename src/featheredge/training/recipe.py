"""Recipes: one TOML file holds everything that decides what a training run produces.

Most keys have defaults; `featheredge new-recipe` writes a minimal recipe. An unknown key is an
error, so a misspelt setting cannot pass unnoticed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator
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
from featheredge.training.teacher import Averaging


class Unlabelled(Section):
    """Pictures without annotations, and a teacher's maps of them.

    Attributes:
        pictures: Folder of ID.jpg or ID.png.
        maps: Folder of ID.png, as `featheredge label` writes them.
    """

    pictures: Path
    maps: Path


class Data(Section):
    """The data to train on. Paths are relative to the working directory.

    Attributes:
        root: The data set. For edges, BSDS500 or your own data in its layout; for saliency, a
            folder in one of the layouts of `featheredge.datasets.mask_sets`.
        train_splits: Parts to train on. For edges, folders such as "train"; for saliency, lists of
            IDs such as train.txt, or "all".
        val_splits: Parts to validate on; may be empty.
        maps: Folder of a teacher's maps of the training pictures, as `featheredge label` writes
            them; [distill.output] then trains on them.
        unlabelled: More pictures, with a teacher's maps only. For saliency the teacher's map is
            then their mask too, and annotated pictures without `maps` are taught by their masks.
        repeat: How often an epoch visits each annotated picture; it visits unlabelled ones once.
        num_workers: Processes that cut crops; 0 cuts them in the training process.
    """

    root: Path
    train_splits: tuple[str, ...] = ("train",)
    val_splits: tuple[str, ...] = ("val",)
    maps: Path | None = None
    unlabelled: Unlabelled | None = None
    repeat: int = Field(default=1, gt=0)
    num_workers: int = Field(default=0, ge=0)


class NetworkSettings(Section):
    """Which network of the zoo, with which widths, from which weights.

    Attributes:
        name: in the zoo; without one it is `initial`, whatever its widths, such as a pruned one.
        widths: fields of the named network's configuration to set differently.
        backbone: ImageNet weights for the named network's encoder.
        initial: a trained network to go on from instead, named as a teacher; of these widths,
            where there is a name.
    """

    name: str | None = None
    widths: dict[str, Any] = Field(default_factory=dict)
    backbone: Path | None = None
    initial: str | None = None

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.backbone is not None and self.initial is not None:
            raise ValueError("give backbone or initial, not both")
        return self

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if self.name is None and (self.initial is None or self.widths):
            raise ValueError("give the name of a network, or initial alone, whose widths it takes")
        return self


class Distillation(Section):
    """What to learn from teachers beside the labels.

    Attributes:
        teachers: each as `featheredge.models.build.load_trained` takes it, such as the folder of
            a saved network or onnx:FILE.onnx; none where stored maps (data.maps) teach.
        weights: how much each teacher's map counts in their mean; empty weighs all the same.
        averaging: what the teachers' maps are the mean of.
        output: the loss on final maps.
        adaptor: the loss on encoder features.
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


Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimiser(Section):
    """SGD (Nesterov off), AdamW, or Adam with weight decay in the gradient.

    Attributes:
        kind: which.
        lr: base rate.
        weight_decay: of weights with more than one dimension.
        decay_norms_and_biases: whether it acts on the other parameters too.
        momentum: of SGD.
        betas: of Adam and AdamW.
        rates: factors on `lr` by the beginning of a parameter's dotted name, such as
            {encoder = 0.25}; the longest that fits counts. 0 leaves them as they are, batch norms
            and their statistics included, and computes no gradient of them.
        fixed_norms: dotted names of layers whose batch norms keep their statistics, such as
            ["encoder"]; they learn scale and shift, and a step costs less.
        bias_rate: factor on the rate of biases; Caffe's recipes use 2.
        clip_norm: largest norm of the gradient.
    """

    kind: Literal["sgd", "adam", "adamw"] = "adamw"
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    decay_norms_and_biases: bool = False
    momentum: float = Field(default=0.9, ge=0, lt=1)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    rates: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    fixed_norms: tuple[str, ...] = ()
    bias_rate: float = Field(default=1.0, gt=0)
    clip_norm: float | None = Field(default=None, gt=0)


class Schedule(Section):
    """The learning rate over the run: linear warm-up, then cosine to zero or steps."""

    kind: Literal["cosine", "step"] = "cosine"
    epochs: int = Field(default=10, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    step_epochs: tuple[int, ...] = ()
    step_factor: float = Field(default=0.1, gt=0, lt=1)


class Run(Section):
    """How the steps are carried out."""

    batch_size: int = Field(default=8, gt=0)
    accumulate: int = Field(default=1, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = True
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    norm_batches: int = Field(default=30, gt=0)
    checkpoint_every_steps: int = Field(default=200, gt=0)
    validate_every_epochs: int = Field(default=1, gt=0)


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
            raise ValueError("data.unlabelled needs data.maps too: a teacher's of the others")
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
                    "data.maps are read but nothing learns from them: [distill.output]"
                )
            return self
        if stored and distill.teachers and distill.adaptor is None:
            raise ValueError("maps come from data.maps or from distill.teachers, not from both")
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
