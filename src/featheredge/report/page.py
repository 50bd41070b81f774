"""The report as one self-contained HTML page: charts, tables, maps and recipes.

Shapes: `H W` pixels.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

import numpy as np
from numpy.typing import NDArray

from featheredge.report import chart
from featheredge.report.points import Point, Section, encode_jpeg
from featheredge.report.speed import Measurement

_TASKS = {"edges": "Edges", "saliency": "Salient objects"}


def render(
    sections: Sequence[Section],
    measured: Measurement,
    pictures: Sequence[NDArray[np.uint8]],
    failures: Sequence[str],
    title: str,
) -> str:
    """Render the page.

    Args:
        sections: Output of `points.sections`.
        measured: The measurement of the times.
        pictures: The example pictures, each (H, W, 3) uint8 RGB.
        failures: A sentence for each skipped network, with the reason.
        title: Heading of the page.

    Returns:
        HTML that is also well-formed XML and loads nothing from elsewhere.
    """
    points = list({p.network.name: p for section in sections for p in section.points}.values())
    anchors = {point.network.name: f"n{i}" for i, point in enumerate(points)}
    names = dict.fromkeys(point.network.chain for point in points if point.network.chain)
    colours = {name: i % chart.NUM_CHAIN_COLOURS for i, name in enumerate(names)}
    template = Template(files("featheredge.report").joinpath("page.html").read_text("utf-8"))
    return template.substitute(
        title=escape(title),
        introduction=_introduction(measured),
        sections="\n".join(_section(section, anchors, colours) for section in sections),
        cards="\n".join([_input_card(pictures), *(_card(p, anchors) for p in points)]),
        left_out=_left_out(failures),
    )


def _introduction(measured: Measurement) -> str:
    timing = next(iter(measured.times.values()))
    machine = {name: escape(str(value)) for name, value in measured.machine.items()}
    return (
        '<p class="soft">Higher is better, further left is cheaper. The dashed line is the Pareto '
        "front. The ringed networks on it are the best for their cost: no other network is at "
        "least as cheap and as good, and better in one of the two. Point at a network to see its "
        "numbers and maps; click it to see its recipe.</p>"
        f'<p class="soft">Times: ONNX Runtime {machine["onnxruntime"]}, one thread of '
        f"{machine['cpu']}, {machine['clock']}, all networks interleaved, median of {timing.runs} "
        f"rounds, {machine['date']}, load {machine['load_1_min']}. Compare them with each other, "
        "not with times of another run or machine.</p>"
    )


def _section(section: Section, anchors: Mapping[str, str], colours: Mapping[str, int]) -> str:
    sizes = {f"{point.size_px[1]}x{point.size_px[0]}" for point in section.points}
    at = f"at {sizes.pop()}" if len(sizes) == 1 else "each at its input size"
    charts = (
        chart.draw(section, section.times_ms, f"median ms {at}", anchors, colours),
        chart.draw(section, section.gmacs, f"GMAC (10⁹ multiply-adds) {at}", anchors, colours),
    )
    return "\n".join(
        [
            f"<section><h2>{_TASKS[section.task]}</h2>",
            f'<p class="soft">{escape(section.benchmark)}</p>',
            '<div class="charts">',
            *(f'<div class="sheet">{drawing}</div>' for drawing in charts),
            "</div>",
            _legend(section, colours),
            _table(section, anchors),
            "</section>",
        ]
    )


def _legend(section: Section, colours: Mapping[str, int]) -> str:
    entries = ['<i class="line"></i>Pareto front']
    if any(point.network.shipped for point in section.points):
        entries.append('<i class="shipped"></i>shipped')
    if any(not (p.network.shipped or p.network.chain) for p in section.points):
        entries.append('<i class="run"></i>run')
    for chain in chart.chains(section.points):
        entries.append(f'<i class="c{colours[chain]}"></i>steps of {escape(chain)}')
    spans = "".join(f"<span>{entry}</span>" for entry in entries)
    return f'<p class="legend soft">{spans}</p>'


def _table(section: Section, anchors: Mapping[str, str]) -> str:
    """Render a row for each network; median times are also given relative to the first one."""
    baseline = section.points[0]
    heads = [
        "network",
        *section.measures,
        "median ms",
        "min ms",
        f"time / {chart.short_name(baseline)}",
        "GMAC",
        "parameters",
        "MB",
    ]
    buttons = "".join(
        f'<th scope="col"><button type="button">{escape(head)}</button></th>' for head in heads
    )
    rows = "\n".join(_row(section, i, baseline, anchors) for i in range(len(section.points)))
    return (
        f'<div class="sheet wide"><table><thead><tr>{buttons}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _row(section: Section, i: int, baseline: Point, anchors: Mapping[str, str]) -> str:
    point, scores = section.points[i], section.scores[i]
    name = escape(point.network.name)
    badges = "".join(
        f'<span class="badge" title="on the Pareto front">{cost}</span>'
        for cost, costs in (("ms", section.times_ms), ("MACs", section.gmacs))
        if i in section.front(costs)
    )
    numbers: list[tuple[float, str]] = [
        *((scores.get(name, -1.0), ".3f") for name in section.measures),
        (point.timing.median_ms, ".1f"),
        (point.timing.min_ms, ".1f"),
        (point.timing.median_ms / baseline.timing.median_ms, ".2f"),
        (section.gmacs[i], ".3f"),
        (point.cost.num_params, ",d"),
        (point.file_bytes / 1e6, ".2f"),
    ]
    cells = "".join(
        f'<td data-value="{value}">{format(value, kind) if value >= 0 else "–"}</td>'
        for value, kind in numbers
    )
    anchor = anchors[point.network.name]
    link = f'<a href="#{anchor}">{name}</a>{badges}'
    return f'<tr><td data-value="{name}">{link}</td>{cells}</tr>'


def _card(point: Point, anchors: Mapping[str, str]) -> str:
    network, cost = point.network, point.cost
    images = "".join(
        _image(jpeg, f"map {i} of {network.name}") for i, jpeg in enumerate(point.maps, 1)
    )
    facts = f"{point.timing.median_ms:.1f} ms, {cost.multiply_adds / 1e9:.3f} GMAC"
    return (
        f'<article class="card sheet" id="{anchors[network.name]}"><h3>{escape(network.name)}</h3>'
        f'<p class="soft">{facts}, {cost.num_params:,} parameters</p>'
        f'<div class="maps">{images}</div>{_recipe(point)}</article>'
    )


def _recipe(point: Point) -> str:
    recipe = point.network.recipe
    if recipe is None:
        return '<p class="soft">no recipe found</p>'
    text = escape(recipe.read_text("utf-8", errors="replace"))
    return (
        f"<details><summary>recipe: {escape(recipe.parent.name)}/{escape(recipe.name)}</summary>"
        f"<pre>{text}</pre></details>"
    )


def _input_card(pictures: Sequence[NDArray[np.uint8]]) -> str:
    images = "".join(
        _image(encode_jpeg(picture), f"picture {i}") for i, picture in enumerate(pictures, 1)
    )
    return (
        '<article class="card sheet"><h3>Example pictures</h3>'
        f'<div class="maps">{images}</div>'
        '<p class="soft">The maps below are the outputs of the networks, white on black. Their '
        "values are not stretched.</p></article>"
    )


def _image(jpeg: bytes, description: str) -> str:
    data = base64.b64encode(jpeg).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escape(description)}"/>'


def _left_out(failures: Sequence[str]) -> str:
    if not failures:
        return ""
    items = "".join(f"<li>{escape(failure)}</li>" for failure in failures)
    return f'<section><h2>Skipped networks</h2><ul class="soft">{items}</ul></section>'
