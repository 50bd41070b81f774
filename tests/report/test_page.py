"""The page and the figure: complete, escaped, self-contained, and true to the numbers."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featheredge.errors import EvaluationError
from featheredge.report import figure, page
from featheredge.report.collect import Result, ScoredNetwork
from featheredge.report.cost import Cost
from featheredge.report.points import Point, encode_jpeg, sections
from featheredge.report.speed import Measurement
from featheredge.timing import Timing

NASTY = "<b>\"x\" & 'y'</b>"
PICTURE = np.zeros((8, 12, 3), np.uint8)
MACHINE = {
    "cpu": NASTY,
    "clock": "processor time",
    "onnxruntime": "1.0",
    "date": "2026-01-01",
    "load_1_min": 0.5,
}


def point(name: str, ms: float, gmac: float, ods: float, **network) -> Point:
    scores = {"ODS-F": ods, "AP": ods / 2}
    network = {"task": "edges", "results": (Result(f"pictures {NASTY}", scores),), **network}
    return Point(
        network=ScoredNetwork(name=name, file=Path("network.onnx"), **network),
        cost=Cost(1234, round(gmac * 1e9)),
        timing=Timing(ms, ms * 1.1, 5),
        size_px=(321, 481),
        file_bytes=1_500_000,
        maps=(encode_jpeg(PICTURE[..., 0]),),
    )


@pytest.fixture
def points(tmp_path) -> list[Point]:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'name = "{NASTY} $name"', "utf-8")
    masks = (Result("masks", {"max-F": 0.8}),)
    return [
        point("small", 10, 0.1, 0.7, shipped=True, recipe=recipe),
        point("large", 100, 2.0, 0.8, shipped=True),
        point("beaten", 120, 1.0, 0.6),
        point(f"{NASTY}/cut", 60, 0.8, 0.5, chain=NASTY, step=1),
        point(f"{NASTY}/unpruned", 110, 2.0, 0.79, chain=NASTY, step=0),
        point("masks", 30, 0.3, 0.0, task="saliency", results=masks),
    ]


@pytest.fixture
def html(points) -> str:
    measured = Measurement(MACHINE, {point.network.name: point.timing for point in points})
    return page.render(sections(points), measured, [PICTURE], [f"gone: {NASTY}"], f"A {NASTY}")


class Balance(HTMLParser):
    """Parses a page as a browser does; every element must be closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def elements(html: str, tag: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(html).iter() if element.tag == tag]


def test_the_page_is_complete(html):
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    tags = {tag for tag, _ in parser.seen}
    assert {"svg", "table", "script", "style"} <= tags
    assert not tags & {"b", "x"}  # nothing of a name has become an element
    ids = [attrs["id"] for _, attrs in parser.seen if "id" in attrs]
    assert len(set(ids)) == len(ids)


def test_the_page_loads_nothing(html):
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html)
    parser = Balance()
    parser.feed(html)
    for tag, attrs in parser.seen:
        for key in ("src", "href"):
            if attrs.get(key) is not None:
                assert attrs[key].startswith(("data:", "#")), (tag, attrs)


def test_every_point_links_to_its_network(html, points):
    articles = {element.get("id"): element for element in elements(html, "article")}
    links = [a for a in elements(html, "a") if "point" in a.get("class", "")]
    assert len(links) == 2 * len(points)
    for link in links:
        name = link.find("title").text.splitlines()[0]
        assert articles[link.get("href")[1:]].find("h3").text == name
    assert {a.find("title").text.splitlines()[0] for a in links} == {p.network.name for p in points}


def test_the_tooltip_of_a_point_gives_its_numbers(html):
    (link, _) = [a for a in elements(html, "a") if (a.findtext("title") or "").startswith("small")]
    assert link.findtext("title").splitlines() == [
        "small",
        "ODS-F 0.700, AP 0.350",
        "median 11.0 ms, minimum 10.0 ms at 481x321",
        "0.100 GMAC, 1,234 parameters",
    ]


def test_the_front_is_ringed(html):
    by_time, by_macs, *_ = elements(html, "svg")
    for chart in (by_time, by_macs):
        ringed = {
            a.findtext("title").splitlines()[0]
            for a in chart.iter("a")
            if any(circle.get("class") == "ring" for circle in a.iter("circle"))
        }
        assert ringed == {"small", "large"}


def test_the_time_chart_and_its_front_use_medians(points):
    lucky, steady = (replace(points[0], timing=Timing(*times, 5)) for times in ((1, 9), (2, 8)))
    lucky = replace(lucky, network=replace(lucky.network, name="lucky"))
    (section,) = sections([lucky, steady])
    assert section.times_ms == [9, 8]
    assert section.front(section.times_ms) == [1]


def test_points_are_drawn_at_their_numbers(html):
    chart = elements(html, "svg")[0]
    place = {a.findtext("title").splitlines()[0]: a.findall("circle")[-1] for a in chart.iter("a")}
    x = {name: float(circle.get("cx")) for name, circle in place.items()}
    y = {name: float(circle.get("cy")) for name, circle in place.items()}
    assert x["small"] < x["large"] < x["beaten"]
    assert y["large"] < y["small"] < y["beaten"]  # up is less in SVG
    assert x["large"] - x["small"] == pytest.approx(
        (x["beaten"] - x["small"]) * np.log(10) / np.log(12), abs=0.2
    )


def test_a_chain_is_joined_in_the_order_of_its_steps(html):
    chart = elements(html, "svg")[0]
    (line,) = [p for p in chart.iter("path") if p.get("class", "").startswith("chain")]
    dots = {a.findtext("title").splitlines()[0]: a.findall("circle")[-1] for a in chart.iter("a")}
    corners = [f"{dots[f'{NASTY}/{s}'].get('cx')} {dots[f'{NASTY}/{s}'].get('cy')}"
               for s in ("unpruned", "cut")]  # fmt: skip
    assert line.get("d") == "M" + "L".join(corners)


def test_the_table_gives_the_numbers(html):
    (first, second) = elements(html, "table")
    rows = [["".join(cell.itertext()) for cell in row] for row in first.iter("tr")]
    assert rows[0] == ["network", "ODS-F", "AP", "median ms", "min ms", "time / small", "GMAC",
                       "parameters", "MB"]  # fmt: skip
    assert rows[2] == ["largemsMACs", "0.800", "0.400", "110.0", "100.0", "10.00", "2.000",
                       "1,234", "1.50"]  # fmt: skip
    assert len(rows) == 6
    assert len(list(second.iter("tr"))) == 2


def test_recipes_and_maps_are_in_the_page(html):
    small = next(a for a in elements(html, "article") if a.findtext("h3") == "small")
    assert small.findtext("details/pre") == f'name = "{NASTY} $name"'
    data = small.find("div/img").get("src").removeprefix("data:image/jpeg;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (12, 8)
    assert f"gone: {NASTY}" in "".join(ET.fromstring(html).itertext())


def test_every_benchmark_has_its_own_section(points):
    elsewhere = replace(points[2].network, results=(Result("others", {"ODS-F": 0.6}),))
    points[2] = replace(points[2], network=elsewhere)
    found = sections(points)
    assert [(section.task, len(section.points)) for section in found] == [
        ("edges", 4),
        ("edges", 1),
        ("saliency", 1),
    ]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_figure_is_drawn(points, tmp_path, kind):
    figure.draw(sections(points), tmp_path / f"plot.{kind}")
    data = (tmp_path / f"plot.{kind}").read_bytes()
    if kind == "png":
        assert Image.open(io.BytesIO(data)).size == (1440, 1200)
    else:
        ET.fromstring(data)
        text = data.decode()  # letters are drawn as paths, with the text in a comment
        chains = {point.network.chain for point in points if point.network.chain}
        assert chains
        for name in ("Pareto front", "shipped", *chains):
            assert f"<!-- {escape(name, quote=False)} -->" in text


def test_a_figure_of_another_kind_is_refused(points, tmp_path):
    with pytest.raises(EvaluationError, match=r"plot\.gif"):
        figure.draw(sections(points), tmp_path / "plot.gif")
    assert not (tmp_path / "plot.gif").exists()
