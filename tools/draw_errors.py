"""Plot of the output error of each layer after pruning, for every criterion.

    python tools/draw_errors.py prune-pidinet --ratio 0.5 --out docs/images/errors.png \
        --set data.root=data/bsds500 --set source=pidinet:pidinet_bsds_voc.safetensors

Every group of channels in the recipe's network is pruned alone to the same share of its channels,
by every criterion, with and without a refit of the layers that read them. The script also prints
the mean over groups. An error is the squared error divided by the variance of the unpruned outputs.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from featheredge.pruning.budget import Budget
from featheredge.pruning.error_curves import compare
from featheredge.pruning.group_error import GroupError, Sampling
from featheredge.pruning.plan import ratio_counts
from featheredge.runs.calibration import calibration_pictures
from featheredge.runs.network_source import open_source
from featheredge.runs.prune_recipe import load_prune_recipe
from featheredge.training.recipe_file import find_recipe

COLOURS = {
    "lasso": "#d1495b",
    "magnitude": "#31688e",
    "geometric-median": "#35b779",
    "random": "#999999",
}
Series = dict[tuple[str, bool], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", help="a recipe of `featheredge prune`")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--ratio", type=float, default=0.5, help="share of channels kept")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    errors = measure(options.recipe, options.settings, options.ratio)
    names = list(dict.fromkeys(row.group for row in errors))
    series: Series = {}
    for row in errors:
        series.setdefault((row.criterion, row.refit), []).append(row.error)
    for line in table(series, len(names)):
        print(line)
    draw(series, names, options.ratio).savefig(options.out, dpi=150)
    print(options.out)


def measure(recipe_name: str, settings: Sequence[str], ratio: float) -> list[GroupError]:
    """Measure the errors of every group that can be pruned."""
    recipe = load_prune_recipe(find_recipe(recipe_name), settings)
    source = open_source(recipe)
    inputs = [source.inputs(batch) for batch in calibration_pictures(recipe)]
    sampling = Sampling(inputs, recipe.calibration.points, recipe.seed)
    counts = ratio_counts(source.network, Budget(ratio=ratio, multiple=1), inputs[0][:1])
    return compare(source.network, counts, sampling)


def table(series: Series, num_groups: int) -> Iterator[str]:
    """Yield the lines of the table of means, one per criterion."""
    yield f"mean error of {num_groups} groups  chosen only  refitted"
    for criterion in COLOURS:
        chosen, refitted = (np.mean(series[criterion, refit]) for refit in (False, True))
        yield f"{criterion:24} {chosen:12.4f} {refitted:9.4f}"


def draw(series: Series, names: Sequence[str], ratio: float) -> Figure:
    """Draw a column for each group in the order of the network; hollow marks are without refit."""
    figure = Figure(figsize=(max(6.4, 0.34 * len(names)), 4.2), layout="constrained")
    axes = figure.subplots()
    for (criterion, refit), errors in series.items():
        axes.plot(
            errors,
            "o",
            color=COLOURS[criterion],
            markersize=6 if criterion == "lasso" else 4,
            markerfacecolor=COLOURS[criterion] if refit else "white",
            label=f"{criterion}{', refitted' if refit else ''}",
        )
    axes.set(yscale="log", ylabel="error of the layers that read the group")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"each group pruned alone, {ratio:.0%} of its channels kept", fontsize=10)
    figure.legend(loc="outside lower center", fontsize=8, ncols=4, frameon=False)
    return figure


if __name__ == "__main__":
    main()
