"""Plot of the precision-recall curves of edge scores."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featheredge.metrics.edge_scores import EdgeScores, f_measure
from featheredge.plotting import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Recall and precision of one annotator scored against the others, on the test set.
HUMAN_BSDS500 = (0.7235, 0.9014)
_INKS, _FAINT = ("#1b4f72", "#148f77", "#ca6f1e", "#884ea0", "#7b241c"), "#9aa5ad"


def plot(
    curves: Mapping[str, EdgeScores], path: Path, human: tuple[float, float] | None = None
) -> None:
    """Draw precision-recall curves, with lines of equal F in the background.

    Args:
        curves: Name in the legend -> scores; all with the same protocol and number of images.
        path: A .png, .svg or .pdf file; an existing one is replaced.
        human: Recall and precision of a person, drawn as a point; None draws no point.

    Raises:
        MissingExtraError: matplotlib is not installed.
        EvaluationError: The suffix is not .png, .svg or .pdf.
    """
    figure = new_figure(5.6, 5.6)
    axes = figure.subplots()
    _draw_equal_f(axes)
    for colour, (name, scores) in zip(cycle(_INKS), curves.items(), strict=False):
        _, recall, precision = scores.curve()
        drawn = scores.counts.sum(axis=0)[:, 3] > 0
        ods = scores.ods
        label = f"{name}: ODS {ods.f:.3f}, OIS {scores.ois.f:.3f}, AP {scores.ap:.3f}"
        axes.plot(recall[drawn], precision[drawn], color=colour, linewidth=2, label=label)
        axes.plot(ods.recall, ods.precision, "o", color=colour, markersize=6)
    if human:
        f = float(f_measure(np.array(human[0]), np.array(human[1])))
        axes.plot(*human, "D", color="#b9770e", markersize=6, linestyle="", label=f"human: {f:.2f}")
    first = next(iter(curves.values()))
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="recall", ylabel="precision", aspect="equal")
    axes.set_title(
        f"{first.protocol.describe()}\n{first.num_images} images".replace(
            ", tolerance", ",\ntolerance"
        ),
        fontsize=8,
    )
    axes.legend(loc="lower left", fontsize=8, framealpha=1)
    save_figure(figure, path)


def _draw_equal_f(axes: "Axes") -> None:
    """Draw the lines where F is 0.1, 0.2 .. 0.9, labelled at the right edge."""
    for f in np.arange(1, 10) / 10:
        recall = np.linspace(f / (2 - f), 1, 200)
        precision = f * recall / (2 * recall - f)
        axes.plot(recall, precision, color=_FAINT, linewidth=0.7, zorder=0)
        axes.annotate(
            f"{f:.1f}",
            (1, f / (2 - f)),
            xytext=(3, 0),
            textcoords="offset points",
            color=_FAINT,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
