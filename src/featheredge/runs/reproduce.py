"""Reproduce published tables: run and score every experiment, and compare with the paper.

Every step writes files, and a step whose files exist is skipped. So an interrupted run resumes at
the step that was running.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featheredge.datasets import bsds500
from featheredge.deploy.export import export_network
from featheredge.files import write_json
from featheredge.metrics.benchmark import score_bsds
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.models import build
from featheredge.models.cost import multiply_adds, num_params
from featheredge.models.network import Network
from featheredge.run_folder import MODEL_DIR, NETWORK_FILE, SCORE_FILE
from featheredge.text_files import read_json
from featheredge.training.log import LogCallback
from featheredge.training.loop import train
from featheredge.training.recipe import Recipe, load_recipe
from featheredge.training.teacher import Teacher
from featheredge.training.teacher_maps import store_maps

#: Size in pixels of the picture that multiply-adds are counted for.
HEIGHT, WIDTH = 321, 481


@dataclass(frozen=True)
class Experiment:
    """One line of a published table.

    Attributes:
        recipe: Name of the shipped recipe; NAME-fast is its variant for a small machine.
        what: Description of the experiment.
        published: ODS-F in the paper; None if the paper does not have the experiment.
    """

    recipe: str
    what: str
    published: float | None


#: ODS-F of the paper's teacher, RCF on VGG16.
PUBLISHED_TEACHER = 0.8115

EDGE_DISTILLATION = (
    Experiment("edge-baseline", "side outputs, labels only", 0.7355),
    Experiment("edge-kd-output", "side outputs, and the teacher's maps", 0.7754),
    Experiment("edge-plain", "no side outputs, labels only", None),
    Experiment("edge-kd-adaptor", "no side outputs, knowledge adaptor", 0.7873),
    Experiment("edge-kd-spatial", "no side outputs, adaptor on every cell", None),
)


@dataclass(frozen=True)
class Row:
    """A line of the reproduced table.

    Attributes:
        what: Description of the experiment.
        recipe: Name of the recipe, or "teacher".
        published: ODS-F in the paper, or None.
        measured: ODS-F on BSDS500 test, single scale.
        num_params: Number of parameters.
        multiply_adds: Multiply-adds for one picture of `WIDTH` x `HEIGHT`.
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
        bsds: Folder of BSDS500 in its original layout.
        backbone: MobileNetV2 weights from ImageNet, with torchvision's keys.
        teacher: An argument of `featheredge.models.build.load_trained`.
        recipes: Folder of the recipes.
        folder: Output folder.
        fast: Whether to run the variants for a small machine.
        workers: Number of processes that score.
    """

    bsds: Path
    backbone: Path
    teacher: str
    recipes: Path
    folder: Path
    fast: bool = True
    workers: int = 1


def edge_distillation(
    setting: Setting,
    on_record: LogCallback = lambda record, length: None,
    announce: Callable[[str], object] = lambda line: None,
) -> list[Row]:
    """Run the experiments that distil a teacher into `mobile-edge-v1`, all with one seed.

    Args:
        setting: Data, weights and folders.
        on_record: Called with every line of a training log.
        announce: Called with the name of each step when it starts.

    Returns:
        The teacher's row, then one row for each of `EDGE_DISTILLATION`.
    """
    announce("teacher")
    teacher = build.load_trained(setting.teacher)
    rows = [_row(setting, teacher, "teacher", PUBLISHED_TEACHER, f"the teacher, {setting.teacher}")]
    for experiment in EDGE_DISTILLATION:
        name = f"{experiment.recipe}-fast" if setting.fast else experiment.recipe
        recipe = _recipe(setting, name)
        if recipe.data.maps is not None:
            announce(f"maps for {name}")
            _label(teacher, recipe)
        announce(name)
        folder = setting.folder / name
        if not (folder / MODEL_DIR / build.CONFIG_FILE).exists():
            train(recipe, folder, on_record=on_record)
        network = build.load(folder / MODEL_DIR)
        rows.append(_row(setting, network, name, experiment.published, experiment.what))
    return rows


def table(rows: Sequence[Row]) -> str:
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
    lines.append(f"measured: ODS-F on BSDS500 test, single scale; {EdgeProtocol().describe()}")
    lines.append(f"GMAC: 10^9 multiply-adds at {WIDTH}x{HEIGHT}")
    return "\n".join(lines)


def _recipe(setting: Setting, name: str) -> Recipe:
    """Load the shipped recipe with the paths of this machine."""
    maps = setting.folder / "maps"
    path = setting.recipes / f"{name}.toml"
    shipped = load_recipe(path)
    settings = [f"data.root={setting.bsds}", f"network.backbone={setting.backbone}"]
    if shipped.data.maps is not None:
        settings.append(f"data.maps={maps}")
    if shipped.distill is not None and shipped.distill.teachers:
        settings.append(f"distill.teachers=['{setting.teacher}']")
    return load_recipe(path, settings)


def _label(teacher: Network, recipe: Recipe) -> None:
    """Store the teacher maps that the recipe needs."""
    assert recipe.distill is not None
    assert recipe.data.maps is not None
    splits = recipe.data.train_splits
    pictures = [s.image for split in splits for s in bsds500.samples(recipe.data.root, split)]
    store_maps([Teacher(teacher, recipe.distill.averaging)], pictures, recipe.data.maps)


def _row(setting: Setting, network: Network, name: str, published: float | None, what: str) -> Row:
    """Score a network on the test pictures, or read its score if it exists."""
    score = setting.folder / name / SCORE_FILE
    if not score.exists():
        write_json(score, _score(setting, network, score.parent))
    ods = read_json(score)["ods"]["f"]
    cost = multiply_adds(lambda: type(network)(network.config), HEIGHT, WIDTH)
    return Row(what, name, published, ods, num_params(network), cost)


def _score(setting: Setting, network: Network, folder: Path) -> dict[str, object]:
    """Export a network, predict the test pictures, and evaluate the maps."""
    folder.mkdir(parents=True, exist_ok=True)
    file, maps = folder / NETWORK_FILE, folder / "test-maps"
    export_network(network, file, name=folder.name, task="edges", storage="fp32")
    return score_bsds(str(file), setting.bsds, maps, workers=setting.workers).to_dict()
