"""A trade-off chart as inline SVG: score against cost on a logarithmic axis, with the front."""

from collections.abc import Mapping, Sequence
from html import escape

from featheredge.report.layout import (
    Axis,
    linear_axis,
    log_axis,
    place_labels,
    staircase,
)
from featheredge.report.points import Point, Section

WIDTH, HEIGHT = 480, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 10, 12, 50
_PLOT = (WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM)
_CHARACTER, _LINE, _GAP = 7.0, 14.0, 12.0  # width of a character, height of a line, label distance
NUM_CHAIN_COLOURS = 6


def draw(
    section: Section,
    costs: Sequence[float],
    cost_name: str,
    anchors: Mapping[str, str],
    colours: Mapping[str, int],
) -> str:
    """Draw the points of a section, score against cost.

    Args:
        section: The points to draw.
        costs: Cost of each point, above 0.
        cost_name: Title of the horizontal axis.
        anchors: Name of a network -> id of the element that its point links to.
        colours: Name of a chain -> number of its colour.

    Returns:
        An `<svg>` element, well-formed XML.
    """
    x_axis, y_axis = log_axis(costs), linear_axis(section.values)
    places = [
        (x_axis.place(cost) * _PLOT[0], (1 - y_axis.place(value)) * _PLOT[1])
        for cost, value in zip(costs, section.values, strict=True)
    ]
    front = section.front(costs)
    stairs = staircase([places[i] for i in front], _PLOT[0])
    label = f"{section.measures[0]} against {cost_name}"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{escape(label)}">',
        f'<g transform="translate({_LEFT} {_TOP})">',
        *_grid(x_axis, y_axis),
        *_titles(cost_name, section.measures[0]),
        _path("front", stairs),
        *(
            _path(f"chain c{colours[chain]}", [places[i] for i in steps])
            for chain, steps in chains(section.points).items()
        ),
        *_labels(section.points, places, front, stairs),
        *(
            _point(section, i, places[i], i in front, anchors, colours)
            for i in range(len(section.points))
        ),
        "</g></svg>",
    ]
    return "\n".join(parts)


def chains(points: Sequence[Point]) -> dict[str, list[int]]:
    """Return the indices of the points of every chain, in the order of its steps."""
    found: dict[str, list[int]] = {}
    for i in sorted(range(len(points)), key=lambda i: points[i].network.step):
        chain = points[i].network.chain
        if chain is not None:
            found.setdefault(chain, []).append(i)
    return found


def short_name(point: Point) -> str:
    """Return the name of a network in a chart: the last part of its full name."""
    return point.network.name.rpartition("/")[2]


def facts(section: Section, i: int) -> list[str]:
    """Return the lines of the tooltip of a point; the first is the name."""
    point, scores = section.points[i], section.scores[i]
    height, width = point.size_px
    return [
        point.network.name,
        ", ".join(f"{name} {value:.3f}" for name, value in scores.items()),
        f"median {point.timing.median_ms:.1f} ms, minimum {point.timing.min_ms:.1f} ms "
        f"at {width}x{height}",
        f"{section.gmacs[i]:.3f} GMAC, {point.cost.num_params:,} parameters",
    ]


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    lines = [f'<path class="axis" d="M0 {_PLOT[1]}H{_PLOT[0]}"/>']
    for tick in x_axis.ticks:
        x = x_axis.place(tick) * _PLOT[0]
        lines.append(f'<path class="grid" d="M{x:.1f} 0V{_PLOT[1]}"/>')
        middle = f'x="{x:.1f}" y="{_PLOT[1] + 18}" text-anchor="middle"'
        lines.append(f'<text class="tick" {middle}>{tick:g}</text>')
    for tick in y_axis.ticks:
        y = (1 - y_axis.place(tick)) * _PLOT[1]
        lines.append(f'<path class="grid" d="M0 {y:.1f}H{_PLOT[0]}"/>')
        lines.append(
            f'<text class="tick" x="-8" y="{y + 4:.1f}" text-anchor="end">{tick:.4g}</text>'
        )
    return lines


def _titles(x_title: str, y_title: str) -> list[str]:
    x, y = _PLOT[0] / 2, _PLOT[1] / 2
    return [
        f'<text class="title" x="{x}" y="{_PLOT[1] + 40}" text-anchor="middle">'
        f"{escape(x_title)}</text>",
        f'<text class="title" transform="translate(-44 {y}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>",
    ]


def _path(kind: str, corners: Sequence[tuple[float, float]]) -> str:
    d = "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
    return f'<path class="{kind}" d="M{d}"/>'


def _labels(
    points: Sequence[Point],
    places: Sequence[tuple[float, float]],
    front: Sequence[int],
    stairs: Sequence[tuple[float, float]],
) -> list[str]:
    """Write names beside the points; points on the front, then shipped ones, are placed first."""
    order = sorted(
        range(len(points)), key=lambda i: (i not in front, not points[i].network.shipped)
    )
    names = [short_name(points[i]) for i in order]
    placed = place_labels(
        [places[i] for i in order],
        [len(name) * _CHARACTER for name in names],
        _PLOT,
        line=_LINE,
        gap=_GAP,
        path=stairs,
    )
    return [
        f'<text class="label" x="{label.x:.1f}" y="{label.y:.1f}">{escape(name)}</text>'
        for name, label in zip(names, placed, strict=True)
        if label is not None
    ]


def _point(
    section: Section,
    i: int,
    place: tuple[float, float],
    on_front: bool,
    anchors: Mapping[str, str],
    colours: Mapping[str, int],
) -> str:
    """Draw a point that links to the card of its network, with a tooltip."""
    network = section.points[i].network
    kind = "shipped" if network.shipped else "run"
    if network.chain is not None:
        kind = f"step c{colours[network.chain]}"
    x, y = place
    ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="9"/>' if on_front else ""
    return (
        f'<a class="point {kind}" href="#{anchors[network.name]}">'
        f"<title>{escape(chr(10).join(facts(section, i)))}</title>"
        f'{ring}<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/></a>'
    )
