"""Sections of a training recipe: data, network, optimiser, schedule, and how steps are run."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, model_validator

from featheredge.training.recipe_check import Section


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
        cache: Folder for decoded pictures. All are decoded once, before the first step, and read
            from there, so that memory does not grow with their number. A folder may serve any
            number of runs. Left out: up to 2 GB of decoded pictures stay in memory.
    """

    root: Path
    train_splits: tuple[str, ...] = ("train",)
    val_splits: tuple[str, ...] = ("val",)
    maps: Path | None = None
    unlabelled: Unlabelled | None = None
    repeat: int = Field(default=1, gt=0)
    num_workers: int = Field(default=0, ge=0)
    cache: Path | None = None


class NetworkSettings(Section):
    """The network to train, and its initial weights.

    Attributes:
        name: A network of the zoo. Left out: the network of `initial`, such as a pruned one.
        widths: Fields of the network's configuration to set differently.
        backbone: ImageNet weights for the encoder of the named network.
        initial: A trained network to start from instead, given as a teacher is. If there is a
            name, it must have the widths of the named network.
    """

    name: str | None = None
    widths: dict[str, Any] = Field(default_factory=dict)
    backbone: Path | None = None
    initial: str | None = None

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.backbone is not None and self.initial is not None:
            raise ValueError("give backbone or initial, not both: each sets the initial weights")
        return self

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if self.name is None and (self.initial is None or self.widths):
            raise ValueError(
                "give name, a network of the zoo; or initial alone, a network whose widths stay"
            )
        return self


Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimiser(Section):
    """How weights change: SGD (without Nesterov), AdamW, or Adam with weight decay in the gradient.

    Attributes:
        kind: Which one.
        lr: The base learning rate.
        weight_decay: Weight decay of parameters with more than one dimension.
        decay_norms_and_biases: Apply weight decay to the other parameters too.
        momentum: Momentum of SGD.
        betas: Betas of Adam and AdamW.
        rates: Factors on `lr` by the first part of a parameter's dotted name, such as
            {encoder = 0.25}; the longest match counts. 0 freezes parameters: no gradient is
            computed, and batch norms keep their statistics too.
        fixed_norms: Dotted names of layers whose batch norms keep their statistics, such as
            ["encoder"]. Their scale and shift are trained, and a step takes less time.
        bias_rate: Factor on the learning rate of biases; Caffe's recipes use 2.
        clip_norm: Largest norm of the gradient; left out, gradients are not clipped.
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
    """The length of the run, and the learning rate over it.

    Attributes:
        kind: "cosine" to zero, or "step".
        epochs: How often the run visits each picture.
        warmup_steps: Steps over which the rate grows linearly to the base rate.
        step_epochs: Epochs after which a "step" schedule lowers the rate.
        step_factor: Factor on the rate at each of these.
    """

    kind: Literal["cosine", "step"] = "cosine"
    epochs: int = Field(default=10, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    step_epochs: tuple[int, ...] = ()
    step_factor: float = Field(default=0.1, gt=0, lt=1)


class Run(Section):
    """How steps are run.

    Attributes:
        batch_size: Crops of a batch. Several processes share it equally.
        accumulate: Batches whose gradients are added before each step.
        precision: "bf16-mixed" computes in bfloat16 where rounding does no harm.
        channels_last: Memory layout of pictures and weights; faster on most processors.
        ema_decay: Decay of the moving average of the weights, which is what the run saves; 0 saves
            the last weights.
        norm_batches: Batches on which the batch norms of the average are estimated.
        checkpoint_every_steps: Steps between checkpoints; each epoch ends with one too.
        validate_every_epochs: Epochs between validations.
    """

    batch_size: int = Field(default=8, gt=0)
    accumulate: int = Field(default=1, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = True
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    norm_batches: int = Field(default=30, gt=0)
    checkpoint_every_steps: int = Field(default=200, gt=0)
    validate_every_epochs: int = Field(default=1, gt=0)
