"""The trade-off charts as one figure by matplotlib, for documents."""

import math
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from featheredge.plotting import new_figure, save_figure
from featheredge.report.chart import chains, short_name
from featheredge.report.layout import linear_axis, log_axis, place_labels, staircase
from featheredge.report.points import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHIPPED, _RUN, _FRONT, _FAINT = "#1b4f72", "#8a959e", "#c0392b", "#e3e6e8"
_CHAINS = ("#148f77", "#ca6f1e", "#884ea0", "#2e7fc1", "#8c6d00", "#a0304f")
_FONT_PT, _SMALL_PT = 8, 7
_LEGEND_COLUMNS = 5


def draw(sections: Sequence[Section], path: Path) -> None:
    """Draw two charts for each section: score against time, and score against multiply-adds.

    Args:
        sections: One or more sections, as `points.sections` returns them.
        path: A .png, .svg or .pdf file; an existing one is replaced.

    Raises:
        MissingExtraError: matplotlib is not installed.
        EvaluationError: The suffix is not .png, .svg or .pdf.
    """
    figure = new_figure(9.6, 4.0 * len(sections))
    rows = figure.subplots(len(sections), 2, squeeze=False)
    for section, row in zip(sections, rows, strict=True):
        size = section.points[0].size_px
        at = f"at {size[1]}x{size[0]}"
        _set_up(row[0], section, section.times_ms, f"median ms {at}, one thread")
        _set_up(row[1], section, section.gmacs, f"GMAC (10⁹ multiply-adds) {at}")
        lines = _write_legend(row[0], section)
        title = f"{section.task}: {section.benchmark}"
        pad = 4 + 1.7 * _SMALL_PT * lines
        row[0].set_title(title, fontsize=_SMALL_PT, loc="left", wrap=True, pad=pad)
    figure.draw_without_rendering()  # computes the layout: labels are placed by the final size
    for section, row in zip(sections, rows, strict=True):
        _draw_points(row[0], section, section.times_ms)
        _draw_points(row[1], section, section.gmacs)
    save_figure(figure, path)


def _set_up(axes: "Axes", section: Section, costs: Sequence[float], cost_name: str) -> None:
    """Set scales, ticks, titles and grid."""
    x_axis, y_axis = log_axis(costs), linear_axis(section.values)
    axes.set(xscale="log", xlim=(x_axis.low, x_axis.high), ylim=(y_axis.low, y_axis.high))
    axes.set_xticks(x_axis.ticks, [f"{tick:g}" for tick in x_axis.ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(y_axis.ticks)
    axes.set_xlabel(cost_name)
    axes.set_ylabel(section.measures[0])
    axes.grid(color=_FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_points(axes: "Axes", section: Section, costs: Sequence[float]) -> None:
    """Draw the front as stairs, chains as lines, networks as dots with their names."""
    values, front = section.values, section.front(costs)
    corners = staircase([(costs[i], values[i]) for i in front], axes.get_xlim()[1])
    axes.plot(*zip(*corners, strict=True), "--", color=_FRONT, linewidth=1)
    ringed = ([costs[i] for i in front], [values[i] for i in front])
    axes.plot(*ringed, "o", markersize=10, markerfacecolor="none", color=_FRONT, markeredgewidth=1)
    colours = _colours(section)
    for chain, places in chains(section.points).items():
        line = ([costs[i] for i in places], [values[i] for i in places])
        axes.plot(*line, color=colours[chain], linewidth=1.5, alpha=0.6)
    for point, cost, value in zip(section.points, costs, values, strict=True):
        network = point.network
        single = _SHIPPED if network.shipped else _RUN
        colour = single if network.chain is None else colours[network.chain]
        axes.plot(cost, value, "o", markersize=6, color=colour)
    _write_names(axes, section, costs, corners)


def _colours(section: Section) -> dict[str, str]:
    """Return the colour of every chain."""
    return dict(zip(chains(section.points), cycle(_CHAINS), strict=False))


def _write_legend(axes: "Axes", section: Section) -> int:
    """Write the legend above the two charts; return its number of lines.

    Every entry is an empty plot, because the points are drawn later.
    """
    axes.plot([], [], "--", color=_FRONT, linewidth=1, label="Pareto front")
    networks = [point.network for point in section.points]
    if any(network.shipped for network in networks):
        axes.plot([], [], "o", markersize=6, color=_SHIPPED, label="shipped")
    if any(not (network.shipped or network.chain) for network in networks):
        axes.plot([], [], "o", markersize=6, color=_RUN, label="run")
    for chain, colour in _colours(section).items():
        axes.plot([], [], "o-", markersize=6, color=colour, linewidth=1.5, label=chain)
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=_LEGEND_COLUMNS,
        fontsize=_SMALL_PT,
        frameon=False,
        borderaxespad=0,
        borderpad=0.2,
    )
    legend.set_in_layout(False)  # it spans both charts; the padding of the title leaves room for it
    return math.ceil(len(legend.get_texts()) / _LEGEND_COLUMNS)


def _write_names(
    axes: "Axes",
    section: Section,
    costs: Sequence[float],
    corners: Sequence[tuple[float, float]],
) -> None:
    """Write names beside the points where there is space; lengths are in points of 1/72 inch."""
    box, scale = axes.get_window_extent(), 72 / axes.figure.dpi
    width, height = box.width * scale, box.height * scale

    def position(x: float, y: float) -> tuple[float, float]:
        right, up = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        return right * width, (1 - up) * height

    names = [short_name(point) for point in section.points]
    points = [position(x, y) for x, y in zip(costs, section.values, strict=True)]
    labels = place_labels(
        points,
        [len(name) * _FONT_PT * 0.55 for name in names],
        (width, height),
        line=_FONT_PT * 1.1,
        gap=9,
        path=[position(x, y) for x, y in corners],
    )
    anchors = zip(costs, section.values, strict=True)
    for name, anchor, (x, y), label in zip(names, anchors, points, labels, strict=True):
        if label is not None:
            offset = (label.x - x, y - label.y)
            axes.annotate(name, anchor, offset, textcoords="offset points", fontsize=_FONT_PT)
