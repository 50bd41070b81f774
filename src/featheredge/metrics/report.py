"""Write scores down: CSV, the benchmark's own text files, and the precision-recall plot."""

import io
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from featheredge.errors import EvaluationError
from featheredge.extras import require
from featheredge.files import write_bytes
from featheredge.metrics.saliency_scores import SaliencyScores
from featheredge.metrics.scores import EdgeScores, best_point, f_measure, rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HUMAN_BSDS500 = (0.7235, 0.9014)  # recall, precision of one annotator against the others (test)
_INKS, _FAINT = ("#1b4f72", "#148f77", "#ca6f1e", "#884ea0", "#7b241c"), "#9aa5ad"


def write_csv(scores: EdgeScores, path: Path) -> None:
    """Write the curve: threshold, recall, precision, f and the four counts, one row each."""
    thresholds, recall, precision = scores.curve()
    rows = ["threshold,recall,precision,f,cntR,sumR,cntP,sumP"]
    columns = (thresholds, recall, precision, f_measure(recall, precision))
    for rate, counts in zip(zip(*columns, strict=True), scores.counts.sum(axis=0), strict=True):
        rows.append(",".join([*(f"{value:.6f}" for value in rate), *map(str, counts)]))
    write_bytes(path, ("\n".join(rows) + "\n").encode())


def write_saliency_csv(scores: SaliencyScores, path: Path) -> None:
    """Write the curves: threshold, recall, precision, f and e, one row for each threshold."""
    text = io.StringIO()
    columns = (scores.thresholds, scores.recall, scores.precision, scores.f, scores.e)
    header = "threshold,recall,precision,f,e"
    np.savetxt(text, np.column_stack(columns), "%.6f", ",", header=header, comments="")
    write_bytes(path, text.getvalue().encode())


def write_bsds_files(scores: EdgeScores, folder: Path) -> None:
    """Write the text files of the original benchmark, for tools that read those.

    ``ID_ev1.txt``: threshold, cntR, sumR, cntP, sumP. ``eval_bdry_img.txt``: number, threshold,
    recall, precision, F of every image at its best. ``eval_bdry_thr.txt``: threshold, recall,
    precision, F. ``eval_bdry.txt``: threshold, recall, precision, F of ODS; recall, precision, F
    of OIS; AP.
    """
    thresholds, recall, precision = scores.curve()
    best = []
    for number, (name, counts) in enumerate(zip(scores.names, scores.counts, strict=True), 1):
        _write_table(folder / f"{name}_ev1.txt", np.column_stack([thresholds, counts]))
        point = best_point(thresholds, *rates(counts))
        best.append([number, point.threshold, point.recall, point.precision, point.f])
    _write_table(folder / "eval_bdry_img.txt", np.array(best, np.float64))
    curve = np.column_stack([thresholds, recall, precision, f_measure(recall, precision)])
    _write_table(folder / "eval_bdry_thr.txt", curve)
    ods, ois = scores.ods, scores.ois
    summary = [ods.threshold, ods.recall, ods.precision, ods.f]
    summary += [ois.recall, ois.precision, ois.f, scores.ap]
    _write_table(folder / "eval_bdry.txt", np.array([summary], np.float64))


def _write_table(path: Path, rows: np.ndarray) -> None:
    text = io.StringIO()
    np.savetxt(text, rows, fmt="%10g")
    write_bytes(path, text.getvalue().encode())


def plot(
    curves: Mapping[str, EdgeScores], path: Path, human: tuple[float, float] | None = None
) -> None:
    """Draw precision-recall curves over lines of equal F.

    Args:
        curves: what to draw, by its name in the legend; all of one protocol and as many images.
        path: .png, .svg or .pdf; replaced when it exists.
        human: recall and precision of a person, drawn as a point.

    Raises:
        MissingExtraError: matplotlib is not installed.
        EvaluationError: the suffix is none of these.
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


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Return an empty figure of a size in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("eval", "a plot", "matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure whole or not at all.

    Raises:
        EvaluationError: The suffix is none of .png, .svg and .pdf.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise EvaluationError(f"{path}: plots are written as .png, .svg or .pdf")
    drawing = io.BytesIO()
    figure.savefig(drawing, format=kind, dpi=150)
    write_bytes(path, drawing.getvalue())


def _draw_equal_f(axes: "Axes") -> None:
    """Lines of recall and precision whose F is 0.1, 0.2 .. 0.9, labelled at the right edge."""
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
