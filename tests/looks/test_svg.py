"""Contours as SVG: read back with an XML parser."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from skimage.draw import circle_perimeter, line

from featheredge.errors import ArgumentError
from featheredge.looks import contours_svg, find_contours
from featheredge.looks.svg import _tenth

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def map() -> np.ndarray:
    map = np.zeros((120, 160), np.float32)
    map[circle_perimeter(60, 50, 30)] = 1
    map[line(10, 100, 110, 150)] = 1
    return map


def points_of(path: str) -> np.ndarray:
    """Read path data: a start, relative steps, and perhaps z."""
    numbers = [float(n) for n in re.findall(r"-?(?:\d+\.\d|\d+|\.\d)", path)]
    return np.cumsum(np.reshape(numbers, (-1, 2)), axis=0)


def test_one_path_for_each_contour(map):
    root = ElementTree.fromstring(contours_svg(map))
    assert root.get("viewBox") == "0 0 160 120"
    paths = [path.get("d") or "" for path in root.iter(f"{NAMESPACE}path")]
    contours = find_contours(map)
    assert len(paths) == len(contours) == 2
    for path, contour in zip(paths, contours, strict=True):
        assert path.endswith("z") == contour.closed
        expected = contour.points[: -1 if contour.closed else None]
        np.testing.assert_allclose(points_of(path), expected, atol=0.051)


def test_inverted_lines_are_white(map):
    normal, inverted = contours_svg(map), contours_svg(map, invert=True)
    assert 'fill="#fff"' in normal
    assert 'stroke="#000"' in normal
    assert 'fill="#000"' in inverted
    assert 'stroke="#fff"' in inverted


def test_a_large_file_loses_its_shortest_contours_and_says_so():
    map = np.random.default_rng(0).random((300, 300)).astype(np.float32)
    whole = contours_svg(map, min_length_px=0, tolerance_px=0, max_kb=10_000)
    small = contours_svg(map, min_length_px=0, tolerance_px=0, max_kb=20)
    assert len(whole) > 40_000
    assert 15_000 < len(small) <= 20_000
    found, kept = whole.count("<path"), small.count("<path")
    about = (
        f"{kept} contours; the {found - kept} shortest are left out to keep the file under 20 kB"
    )
    assert f"<desc>{about}</desc>" in small
    assert small.count("<path") == len(ElementTree.fromstring(small)[-1])


def test_nothing_found_is_an_empty_drawing():
    root = ElementTree.fromstring(contours_svg(np.zeros((20, 30), np.float32)))
    assert not list(root.iter(f"{NAMESPACE}path"))


@pytest.mark.parametrize("tenths", [-1234, -10, -5, 0, 3, 10, 12, 400])
def test_numbers_are_short_and_right(tenths):
    assert float(_tenth(tenths)) == tenths / 10
    assert len(_tenth(tenths)) <= len(f"{tenths / 10:g}")


@pytest.mark.parametrize("numbers", [{"max_kb": 0}, {"line_px": 0}])
def test_numbers_out_of_range_are_refused(map, numbers):
    with pytest.raises(ArgumentError, match="expected above 0"):
        contours_svg(map, **numbers)
