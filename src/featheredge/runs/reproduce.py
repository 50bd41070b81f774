"""Reproduce published tables: run every experiment of one, score it, set it beside the paper.

A chain is made of steps that leave files, and a step whose files are there is not done again, so a
chain that was stopped goes on where it was.
"""

import json
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
from featheredge.training.log import LogCallback
from featheredge.training.loop import train
from featheredge.training.recipe import Recipe, load_recipe
from featheredge.training.teacher import Teacher
from featheredge.training.teacher_maps import store_maps

#: The size that multiply-adds are counted at.
HEIGHT, WIDTH = 321, 481


@dataclass(frozen=True)
class Experiment:
    """One line of a published table.

    Attributes:
        recipe: name of the published recipe; NAME-fast is the one that fits a small machine.
        what: the experiment in words.
        published: ODS-F that was reported, None for an experiment that the paper leaves out.
    """

    recipe: str
    what: str
    published: float | None


#: ODS-F of the teacher that was published with them, RCF on VGG16.
PUBLISHED_TEACHER = 0.8115

EDGE_DISTILLATION = (
    Experiment("edge-baseline", "side outputs, labels only", 0.7355),
    Experiment("edge-kd-output", "side outputs, and the teacher's maps", 0.7754),
    Experiment("edge-plain", "no side outputs, labels only", None),
    Experiment("edge-kd-adaptor", "no side outputs, knowledge adaptor", 0.7873),
)


@dataclass(frozen=True)
class Row:
    """A line of the reproduced table; scores are ODS-F on BSDS500 test, single scale."""

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
    """What a chain needs that the package does not hold.

    Attributes:
        bsds: BSDS500 in its own layout.
        backbone: MobileNetV2 trained on ImageNet, torchvision's keys.
        teacher: as `featheredge.models.build.load_trained` takes it.
        recipes: folder of the recipes.
        folder: where everything goes.
        fast: whether the variants that fit a small machine are run.
        workers: processes that score.
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
    """Run the experiments on distilling a teacher into `mobile-edge`, all from one seed.

    Args:
        setting: data, teacher, where to.
        on_record: called with every line of a training log.
        announce: called with the name of each step as it begins.

    Returns:
        The teacher's row, then one for each of `EDGE_DISTILLATION`.
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
    """The rows as text: published, measured, parameters, multiply-adds, difference."""
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
    """The shipped recipe with this machine's paths."""
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
    """Store the teacher's maps that the recipe wants."""
    assert recipe.distill is not None
    assert recipe.data.maps is not None
    splits = recipe.data.train_splits
    pictures = [s.image for split in splits for s in bsds500.samples(recipe.data.root, split)]
    store_maps([Teacher(teacher, recipe.distill.averaging)], pictures, recipe.data.maps)


def _row(setting: Setting, network: Network, name: str, published: float | None, what: str) -> Row:
    """Score a network on the test pictures, or read the score that is there."""
    score = setting.folder / name / SCORE_FILE
    if not score.exists():
        write_json(score, _score(setting, network, score.parent))
    ods = json.loads(score.read_bytes())["ods"]["f"]
    twin = type(network)
    cost = multiply_adds(lambda: twin(network.config), HEIGHT, WIDTH)
    return Row(what, name, published, ods, num_params(network), cost)


def _score(setting: Setting, network: Network, folder: Path) -> dict[str, object]:
    """Export, predict the test pictures, evaluate."""
    folder.mkdir(parents=True, exist_ok=True)
    file, maps = folder / NETWORK_FILE, folder / "test-maps"
    export_network(network, file, name=folder.name, task="edges", storage="fp32")
    return score_bsds(str(file), setting.bsds, maps, workers=setting.workers).to_dict()
