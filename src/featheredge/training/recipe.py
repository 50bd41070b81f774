"""Recipes: one TOML file holds everything that decides what a training run produces.

An unknown key is an error, so a misspelt setting cannot pass unnoticed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, NonNegativeFloat, PositiveFloat, Tag, model_validator

from featheredge.data.augment import Augmentation
from featheredge.training.distill import Adaptation, OutputDistillation
from featheredge.training.losses import EdgeLoss, MaskLoss
from featheredge.training.norm_decay import ChannelDecay
from featheredge.training.recipe_file import Section, check, read_toml
from featheredge.training.teacher import Averaging


class Unlabelled(Section):
    """Pictures without annotations, and the folder of a teacher's maps of them, by name."""

    pictures: Path
    maps: Path


class Data(Section):
    """What to learn from. Paths are taken relative to the working directory.

    Attributes:
        dataset: "bsds500", edges; or "masks", salient objects in a layout of
            `featheredge.datasets.mask_sets`.
        root: the data set in its own layout.
        train_splits: parts to learn from; of masks, lists such as train.txt, or "all".
        val_splits: parts to watch.
        maps: folder of a teacher's maps of the training pictures, as `featheredge label` writes
            them; [distill.output] then learns from them.
        unlabelled: more pictures that only the teacher knows about. Of salient objects, the
            teacher's map is then their mask too, and annotated pictures without `maps` are taught
            by their masks.
        repeat: how often an epoch visits each annotated picture; unlabelled ones come once.
        num_workers: processes that cut crops; 0 does it in the loop.
    """

    dataset: Literal["bsds500", "masks"] = "bsds500"
    root: Path = Path("data/bsds500")
    train_splits: tuple[str, ...] = ("train",)
    val_splits: tuple[str, ...] = ("val",)
    maps: Path | None = None
    unlabelled: Unlabelled | None = None
    repeat: int = Field(1, gt=0)
    num_workers: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _maps_for_all(self) -> Self:
        if self.unlabelled is not None and self.maps is None and self.dataset != "masks":
            raise ValueError("unlabelled pictures need data.maps too: a teacher's of the others")
        return self


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

    kind: Literal["sgd", "adam", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(0.0, ge=0)
    decay_norms_and_biases: bool = False
    momentum: float = Field(0.9, ge=0, lt=1)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    rates: dict[str, NonNegativeFloat] = Field(default_factory=dict)
    fixed_norms: tuple[str, ...] = ()
    bias_rate: float = Field(1.0, gt=0)
    clip_norm: float | None = Field(None, gt=0)


class Schedule(Section):
    """The learning rate over the run: linear warm-up, then cosine to zero or steps."""

    kind: Literal["cosine", "step"]
    epochs: int = Field(gt=0)
    warmup_steps: int = Field(0, ge=0)
    step_epochs: tuple[int, ...] = ()
    step_factor: float = Field(0.1, gt=0, lt=1)


class Run(Section):
    """How the steps are carried out."""

    batch_size: int = Field(gt=0)
    accumulate: int = Field(1, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = True
    ema_decay: float = Field(0.999, ge=0, lt=1)
    norm_batches: int = Field(30, gt=0)
    checkpoint_every_steps: int = Field(200, gt=0)
    validate_every_epochs: int = Field(1, gt=0)


_KINDS = ("edges", "mask")


def _kind_of_loss(loss: Any) -> str:
    """Edges unless it says otherwise: a table of settings, or a loss that was made."""
    kind: str = loss.get("kind", "edges") if isinstance(loss, dict) else loss.kind
    return kind


TaskLoss = Annotated[
    Annotated[EdgeLoss, Tag(_KINDS[0])] | Annotated[MaskLoss, Tag(_KINDS[1])],
    Discriminator(_kind_of_loss),
]


class Recipe(Section):
    """A whole training run."""

    name: str
    about: str
    seed: int = 0
    data: Data
    augment: Augmentation
    network: NetworkSettings
    loss: TaskLoss
    distill: Distillation | None = None
    decay: ChannelDecay | None = None
    optimiser: Optimiser
    schedule: Schedule
    run: Run

    @model_validator(mode="after")
    def _collages_of_masks(self) -> Self:
        if self.augment.collage and self.data.dataset != "masks":
            raise ValueError("augment.collage pastes what a mask is of: data.dataset = 'masks'")
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


def load_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `key.subkey=value` settings, see `read_toml`.

    Raises:
        RecipeError: unreadable file, not TOML, or a key or value the recipe does not have.
    """
    return make_recipe(read_toml(path, settings), path)


def make_recipe(table: dict[str, Any], source: object) -> Recipe:
    """A recipe from the tables of its sections; messages call them `source`.

    Raises:
        RecipeError: a key or value the recipe does not have.
    """
    return check(Recipe, table, source, silent=_KINDS)
