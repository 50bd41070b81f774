"""Distillation experiments: train and score every arm, and compare with the paper.

Every step writes files, and a step whose files exist is skipped. So an interrupted run resumes at
the step that was running.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featheredge.catalog import Task
from featheredge.datasets import bsds500
from featheredge.datasets.mask_sets import pictures_in, split_masks
from featheredge.deploy.export import export_network
from featheredge.errors import ArgumentError
from featheredge.files import write_json
from featheredge.metrics.benchmark import score_bsds, score_masks
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.models import build
from featheredge.models.cost import multiply_adds, num_params
from featheredge.models.network import Network, Purpose
from featheredge.models.purpose import read_purpose
from featheredge.run_folder import NETWORK_FILE, SCORE_FILE
from featheredge.runs.trained import trained_network
from featheredge.text_files import read_json
from featheredge.training.log import LogCallback
from featheredge.training.recipe import Recipe, load_recipe
from featheredge.training.recipe_file import refuse_another
from featheredge.training.teacher import Teacher
from featheredge.training.teacher_maps import store_maps


@dataclass(frozen=True)
class Experiment:
    """One line of a published table.

    Attributes:
        recipe: Name of the shipped recipe.
        what: Description of the experiment.
        published: The score in the paper; None if the paper does not have the experiment.
    """

    recipe: str
    what: str
    published: float | None


@dataclass(frozen=True)
class Chain:
    """Experiments on one student, with one schedule, one seed and the same crops.

    Attributes:
        task: The task of the student and its teacher.
        experiments: In the order in which they run.
        published_teacher: The score of the paper's teacher; None if there is none.
        height: Height in pixels of the picture that multiply-adds are counted for.
        width: Its width.
        measure: Which score `measured` is, and on which pictures.
        split: The split that is scored.
        input_px: Side of the square that a teacher sees if its weights do not say it; None for any
            size.
        has_fast: Whether NAME is the published schedule and NAME-fast that for a small machine.
    """

    task: Task
    experiments: tuple[Experiment, ...]
    published_teacher: float | None
    height: int
    width: int
    measure: str
    split: str
    input_px: int | None
    has_fast: bool

    def recipe_name(self, experiment: Experiment, *, fast: bool) -> str:
        """Return the name of an experiment's recipe, for a small machine or as published."""
        return f"{experiment.recipe}-fast" if fast and self.has_fast else experiment.recipe


#: The first paper's experiments. Its teacher is RCF on VGG16.
EDGE_DISTILLATION = Chain(
    "edges",
    (
        Experiment("edge-baseline", "side outputs, labels only", 0.7355),
        Experiment("edge-kd-output", "side outputs, and the teacher's maps", 0.7754),
        Experiment("edge-plain", "no side outputs, labels only", None),
        Experiment("edge-kd-adaptor", "no side outputs, knowledge adaptor", 0.7873),
        Experiment("edge-kd-spatial", "no side outputs, adaptor on every cell", None),
    ),
    published_teacher=0.8115,
    height=321,
    width=481,
    measure=f"ODS-F on BSDS500 test, single scale; {EdgeProtocol().describe()}",
    split="test",
    input_px=None,
    has_fast=True,
)

#: The same experiments on masks, which no paper has.
SALIENCY_DISTILLATION = Chain(
    "saliency",
    (
        Experiment("saliency-baseline", "side outputs, masks only", None),
        Experiment("saliency-kd-output", "side outputs, and the teacher's maps", None),
        Experiment("saliency-plain", "no side outputs, masks only", None),
        Experiment("saliency-kd-adaptor", "no side outputs, knowledge adaptor", None),
        Experiment("saliency-kd-spatial", "no side outputs, adaptor on every cell", None),
    ),
    published_teacher=None,
    height=128,
    width=128,
    measure=f"max F on the validation pictures; {SaliencyProtocol().describe()}",
    split="val",
    input_px=128,
    has_fast=False,
)


@dataclass(frozen=True)
class Row:
    """A line of the reproduced table.

    Attributes:
        what: Description of the experiment.
        recipe: Name of the recipe, or "teacher".
        published: The score in the paper, or None.
        measured: The chain's score.
        num_params: Number of parameters.
        multiply_adds: Multiply-adds for one picture of the chain's size.
    """

    what: str
    recipe: str
    published: float | None
    measured: float
    num_params: int
    multiply_adds: float

    @property
    def difference(self) -> float | None:
        """Measured minus published."""
        return None if self.published is None else self.measured - self.published


@dataclass(frozen=True)
class Setting:
    """Data, weights and folders for the experiments.

    Attributes:
        data: Folder of BSDS500 in its original layout, or of a data set with masks.
        backbone: MobileNetV2 weights from ImageNet, with torchvision's keys.
        teacher: An argument of `featheredge.models.build.load_trained`.
        recipes: Folder of the recipes.
        folder: Output folder.
        fast: Whether to run the variants for a small machine, where the chain has them.
        times: Factor on the number of epochs.
        workers: Number of processes that score.
    """

    data: Path
    backbone: Path
    teacher: str
    recipes: Path
    folder: Path
    fast: bool = True
    times: int = 1
    workers: int = 1


def distillation(
    chain: Chain,
    setting: Setting,
    on_record: LogCallback = lambda record, length: None,
    announce: Callable[[str], object] = lambda line: None,
) -> list[Row]:
    """Run the experiments of a chain, which distil a teacher into `mobile-edge-v1`.

    Args:
        chain: The experiments.
        setting: Data, weights and folders.
        on_record: Called with every line of a training log.
        announce: Called with the name of each step when it starts.

    Returns:
        The teacher's row, then one row for each experiment.

    Raises:
        ArgumentError: The teacher has another task.
        RecipeError: The folder holds runs with other settings.
    """
    purpose = _purpose_for(chain, setting.teacher)
    names = [chain.recipe_name(experiment, fast=setting.fast) for experiment in chain.experiments]
    recipes = {name: _recipe(setting, name) for name in names}
    for name, recipe in recipes.items():
        refuse_another(setting.folder / name, recipe)
    announce("teacher")
    teacher = build.load_trained(setting.teacher)
    scored = _Scored(chain, setting)
    what = f"the teacher, {setting.teacher}"
    side = chain.input_px if purpose is None else purpose.input_px
    rows = [scored.row(teacher, "teacher", chain.published_teacher, what, side)]
    for experiment, (name, recipe) in zip(chain.experiments, recipes.items(), strict=True):
        if recipe.data.maps is not None:
            announce(f"maps for {name}")
            _label(teacher, recipe)
        announce(name)
        network = trained_network(recipe, setting.folder / name, on_record)
        published = experiment.published
        rows.append(scored.row(network, name, published, experiment.what, recipe.input_px))
    return rows


def table(chain: Chain, rows: Sequence[Row]) -> str:
    """Format the rows as text: published, measured, parameters, multiply-adds, difference."""
    lines = [
        f"{'experiment':44} {'published':>9} {'measured':>9} {'params':>11} {'GMAC':>7} {'diff':>7}"
    ]
    for row in rows:
        published = "" if row.published is None else f"{row.published:.4f}"
        difference = "" if row.difference is None else f"{row.difference:+.4f}"
        lines.append(
            f"{row.what[:44]:44} {published:>9} {row.measured:9.4f} {row.num_params:11,} "
            f"{row.multiply_adds / 1e9:7.3f} {difference:>7}"
        )
    lines.append(f"measured: {chain.measure}")
    lines.append(f"GMAC: 10^9 multiply-adds at {chain.width}x{chain.height}")
    return "\n".join(lines)


def _purpose_for(chain: Chain, teacher: str) -> Purpose | None:
    """Read the purpose of a teacher, which must have the task of the chain if it has one."""
    purpose = read_purpose(teacher)
    if purpose is not None and purpose.task != chain.task:
        raise ArgumentError(
            f"the teacher {teacher} is a network for {purpose.task}; expected one for {chain.task}"
        )
    return purpose


def _recipe(setting: Setting, name: str) -> Recipe:
    """Load the shipped recipe with the paths of this machine, and the schedule."""
    maps = setting.folder / "maps"
    path = setting.recipes / f"{name}.toml"
    shipped = load_recipe(path)
    settings = [
        f"data.root={setting.data}",
        f"network.backbone={setting.backbone}",
        f"schedule.epochs={shipped.schedule.epochs * setting.times}",
    ]
    if shipped.data.maps is not None:
        settings.append(f"data.maps={maps}")
    if shipped.distill is not None and shipped.distill.teachers:
        settings.append(f"distill.teachers=['{setting.teacher}']")
    return load_recipe(path, settings)


def _label(teacher: Network, recipe: Recipe) -> None:
    """Store the teacher maps that the recipe needs."""
    assert recipe.distill is not None
    assert recipe.data.maps is not None
    teachers = [Teacher(teacher, recipe.distill.averaging)]
    store_maps(teachers, _training_pictures(recipe), recipe.data.maps)


def _training_pictures(recipe: Recipe) -> list[Path]:
    root, splits = recipe.data.root, recipe.data.train_splits
    if recipe.task == "edges":
        return [sample.image for split in splits for sample in bsds500.samples(root, split)]
    return list(pictures_in(root, split_masks(root, splits)).values())


@dataclass(frozen=True)
class _Scored:
    """Rows of a chain: networks are scored, and their scores kept in files."""

    chain: Chain
    setting: Setting

    def row(
        self, network: Network, name: str, published: float | None, what: str, side: int | None
    ) -> Row:
        """Score a network, or read its score if it exists."""
        score = self.setting.folder / name / SCORE_FILE
        if not score.exists():
            write_json(score, self._score(network, score.parent, side))
        scores = read_json(score)
        measured = scores["ods"]["f"] if self.chain.task == "edges" else scores["max_f"]
        cost = multiply_adds(
            lambda: type(network)(network.config), self.chain.height, self.chain.width
        )
        return Row(what, name, published, measured, num_params(network), cost)

    def _score(self, network: Network, folder: Path, side: int | None) -> dict[str, object]:
        """Export a network, predict the chain's pictures, and evaluate the maps."""
        folder.mkdir(parents=True, exist_ok=True)
        task, split, file = self.chain.task, self.chain.split, folder / NETWORK_FILE
        export_network(network, file, name=folder.name, task=task, input_px=side, storage="fp32")
        evaluate = score_bsds if task == "edges" else score_masks
        scores = evaluate(
            str(file),
            self.setting.data,
            folder / f"{split}-maps",
            splits=(split,),
            workers=self.setting.workers,
        )
        return scores.to_dict()
