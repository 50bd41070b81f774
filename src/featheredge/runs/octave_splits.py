"""Reproduce the first table of the second paper: how to split channels between two scales.

Feature extractors of equal width differ only in the share of channels at half the resolution
(Gao et al., ECCV 2020, section 4.3). Each is trained with one schedule and several seeds. Every
step writes files, and a step whose files exist is skipped.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featheredge.deploy.export import export_network
from featheredge.files import write_json
from featheredge.metrics.benchmark import score_masks
from featheredge.models import build
from featheredge.models.cost import multiply_adds, num_params
from featheredge.models.network import Network
from featheredge.run_folder import NETWORK_FILE, SCORE_FILE
from featheredge.runs.trained import trained_network
from featheredge.text_files import read_json
from featheredge.training.log import LogCallback
from featheredge.training.recipe import Recipe, load_recipe
from featheredge.training.recipe_file import refuse_another

#: Side in pixels of the square that multiply-adds are counted for, as in the paper.
SIDE_PX = 224

#: Name of the network -> channels at full and at half resolution, as the paper writes them.
SPLITS = {
    "csnet-extractor-5-5": "5/5",
    "csnet-extractor-3-1": "3/1",
    "csnet-extractor-1-0": "1/0",
    "csnet-extractor-0-1": "0/1",
}


@dataclass(frozen=True)
class SplitRow:
    """One split, over all seeds.

    Attributes:
        split: Channels at full and at half resolution.
        num_params: Number of parameters.
        multiply_adds: Multiply-adds for one picture of `SIDE_PX`.
        max_f: Max F on the validation pictures, one for each seed.
    """

    split: str
    num_params: int
    multiply_adds: float
    max_f: tuple[float, ...]


def octave_splits(
    recipe: Path,
    data: Path,
    folder: Path,
    *,
    seeds: int = 3,
    workers: int = 1,
    on_record: LogCallback = lambda record, length: None,
    announce: Callable[[str], object] = lambda line: None,
) -> list[SplitRow]:
    """Train and score every split with every seed.

    Seeds are the outer loop, so that an interrupted run has all splits of the first seeds.

    Args:
        recipe: The recipe that all runs share.
        data: A data set with masks, as for `featheredge train`.
        folder: Output folder.
        seeds: Number of seeds.
        workers: Number of processes that score.
        on_record: Called with every line of a training log.
        announce: Called with the name of each run when it starts.

    Returns:
        One row for each of `SPLITS`.

    Raises:
        RecipeError: The folder holds runs with other settings.
    """
    runs = [
        (
            name,
            folder / f"{name}-{seed}",
            load_recipe(recipe, [f"data.root={data}", f"network.name={name}", f"seed={seed}"]),
        )
        for seed in range(seeds)
        for name in SPLITS
    ]
    for _, run, settings in runs:
        refuse_another(run, settings)
    scores: dict[str, list[float]] = {name: [] for name in SPLITS}
    for name, run, settings in runs:
        announce(run.name)
        scores[name].append(_max_f(settings, run, workers, on_record))
    return [_row(name, scores[name]) for name in SPLITS]


def splits_table(rows: Sequence[SplitRow]) -> str:
    """Format the rows as text, with the two claims of the paper."""
    lines = [f"{'split':6} {'params':>9} {'GMAC':>7} {'max F':>7} {'lowest':>7} {'highest':>8}"]
    for row in rows:
        mean = statistics.fmean(row.max_f)
        lines.append(
            f"{row.split:6} {row.num_params:9,} {row.multiply_adds / 1e9:7.3f} {mean:7.4f} "
            f"{min(row.max_f):7.4f} {max(row.max_f):8.4f}"
        )
    by_split = {row.split: row for row in rows}
    gain = statistics.fmean(by_split["5/5"].max_f) - statistics.fmean(by_split["3/1"].max_f)
    saved = 1 - by_split["0/1"].multiply_adds / by_split["1/0"].multiply_adds
    lines.append(f"5/5 over 3/1: {gain:+.4f} max F (paper: +0.014)")
    lines.append(f"0/1 against 1/0: {saved:.0%} fewer multiply-adds (paper: 44 % fewer FLOPs)")
    seeds = len(rows[0].max_f)
    plural = "seed" if seeds == 1 else "seeds"
    lines.append(f"max F: validation pictures, {seeds} {plural}; GMAC at {SIDE_PX} px")
    return "\n".join(lines)


def _max_f(recipe: Recipe, run: Path, workers: int, on_record: LogCallback) -> float:
    """Train and score one network, or read its score if it exists."""
    score = run / SCORE_FILE
    if not score.exists():
        network, file = trained_network(recipe, run, on_record), run / NETWORK_FILE
        export_network(network, file, name=run.name, task="saliency", input_px=recipe.input_px)
        scores = score_masks(
            str(file),
            recipe.data.root,
            run / "val-maps",
            splits=recipe.data.val_splits,
            workers=workers,
        )
        write_json(score, scores.to_dict())
    return float(read_json(score)["max_f"])


def _row(name: str, max_f: Sequence[float]) -> SplitRow:
    def network() -> Network:
        return build.create_model(name)

    cost = multiply_adds(network, SIDE_PX, SIDE_PX)
    return SplitRow(SPLITS[name], num_params(network()), cost, tuple(max_f))
