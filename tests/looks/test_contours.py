"""Contours: skeletons, lines that are found whole, and their simplification."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.draw import circle_perimeter, line

from featheredge.errors import ArgumentError
from featheredge.looks import linking
from featheredge.looks.contours import default_tolerance, find_contours
from featheredge.looks.polyline import simplify, smooth
from featheredge.skeleton import skeletonise
from featheredge.subject import label_parts


def drawn(*pixels: tuple[np.ndarray, np.ndarray], shape=(120, 160)) -> np.ndarray:
    """A map with soft lines through these pixels, as a network draws them."""
    from scipy.ndimage import gaussian_filter

    map = np.zeros(shape, np.float32)
    for rows, columns in pixels:
        map[rows, columns] = 1
    map = gaussian_filter(map, 1.2)
    return map / map.max()


masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@given(masks)
@settings(max_examples=50)
def test_a_skeleton_is_connected_like_its_mask_and_thin(mask):
    skeleton = skeletonise(mask)
    assert not (skeleton & ~mask).any()
    parts, count = label_parts(mask)
    assert label_parts(skeleton)[1] == count
    assert set(np.unique(parts[skeleton])) == set(range(1, count + 1))
    np.testing.assert_array_equal(skeletonise(skeleton), skeleton)


def test_a_skeleton_is_the_one_of_the_compiled_rule():
    from featheredge.metrics.thinning import thin_levels

    mask = np.pad(np.random.default_rng(0).random((60, 80)) > 0.3, 1)
    pixels, _ = thin_levels(mask.astype(np.int16), 1)
    np.testing.assert_array_equal(np.flatnonzero(np.pad(skeletonise(mask[1:-1, 1:-1]), 1)), pixels)


def test_a_circle_is_one_closed_contour():
    (contour,) = find_contours(drawn(circle_perimeter(60, 80, 40)))
    assert contour.closed
    assert contour.length_px == pytest.approx(2 * np.pi * 40, rel=0.02)
    radii = np.hypot(*(contour.points - (80.5, 60.5)).T)
    assert abs(radii - 40).max() < 1


def test_lines_that_cross_stay_two_lines():
    map = drawn(line(20, 15, 100, 145), line(100, 20, 20, 140))
    contours = find_contours(map)
    assert len(contours) == 2
    for contour in contours:
        assert not contour.closed
        assert contour.length_px > 120
        assert len(contour.points) <= 6


def test_a_branch_is_a_second_contour():
    contours = find_contours(drawn(line(60, 10, 60, 150), line(60, 80, 110, 80)))
    lengths = [contour.length_px for contour in contours]
    assert lengths == pytest.approx([140, 50], rel=0.1)


def test_short_and_weak_lines_are_dropped():
    map = np.maximum(drawn(line(30, 20, 30, 140)), 0.2 * drawn(line(80, 20, 80, 140)))
    map = np.maximum(map, drawn(line(100, 20, 100, 32)))
    assert len(find_contours(map, min_length_px=30)) == 1
    assert len(find_contours(map, 0.15, min_length_px=30)) == 2
    assert len(find_contours(map, 0.15, min_length_px=5)) == 3


@given(masks)
@settings(max_examples=50)
def test_every_step_between_skeleton_pixels_is_walked_once(mask):
    """Without bridges between junctions, which are left out, nothing is lost or walked twice."""
    skeleton = np.pad(skeletonise(mask), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linking, "_BRIDGE_PX", 0)
        lines = list(linking.linked_pixels(skeleton))
    steps = [frozenset(step) for pixels in lines for step in pairwise(pixels)]
    assert len(set(steps)) == len(steps)
    graph = linking._graph(skeleton)
    assert set(steps) == {frozenset((a, b)) for a, near in graph.items() for b in near}
    alone = {pixel for pixel, near in graph.items() if not near}
    walked = {pixel for pixels in lines for pixel in pixels}
    assert walked | alone == set(np.flatnonzero(skeleton).tolist())


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=40),
       st.floats(0, 10))  # fmt: skip
def test_simplified_lines_stay_within_the_tolerance(points, tolerance):
    line = np.array(points, np.float32)
    kept = simplify(line, tolerance)
    np.testing.assert_array_equal(kept[[0, -1]], line[[0, -1]])
    for point in line:
        assert distance_to_line(point, kept) <= tolerance + 1e-3


def distance_to_line(point: np.ndarray, line: np.ndarray) -> float:
    """Slow: the distance to every segment."""
    best = np.inf
    for start, end in pairwise(line):
        along = end - start
        squared = float(along @ along)
        share = min(max(float((point - start) @ along) / squared, 0), 1) if squared else 0
        best = min(best, float(np.hypot(*(point - start - share * along))))
    return best


def test_simplification_is_the_one_of_scikit_image():
    from skimage.measure import approximate_polygon

    steps = np.random.default_rng(1).normal(size=(200, 2)).cumsum(axis=0).astype(np.float32)
    for tolerance in (0.5, 2, 5):
        expected = approximate_polygon(steps, tolerance)
        np.testing.assert_allclose(simplify(steps, tolerance), expected)


def test_smoothing_keeps_ends_and_closed_lines_closed():
    stairs = np.array([(i // 2, (i + 1) // 2) for i in range(40)], np.float32)
    smoothed = smooth(stairs)
    np.testing.assert_array_equal(smoothed[[0, -1]], stairs[[0, -1]])
    assert abs(np.diff(smoothed[8:-8], n=2, axis=0)).max() < 0.1  # the staircase is gone
    square = np.array([(0, 0), (4, 0), (4, 4), (0, 4), (0, 0)], np.float32)
    np.testing.assert_array_equal(smooth(square)[0], smooth(square)[-1])


def test_an_empty_map_has_no_contours():
    assert find_contours(np.zeros((9, 9), np.float32)) == []


@pytest.mark.parametrize(
    "numbers",
    [{"threshold": 0}, {"threshold": 2}, {"tolerance_px": -1}, {"min_length_px": -1}],
)
def test_numbers_out_of_range_are_refused(numbers):
    with pytest.raises(ArgumentError, match="expected a threshold above 0"):
        find_contours(np.zeros((9, 9), np.float32), **numbers)


def test_the_tolerance_grows_with_the_picture():
    assert default_tolerance(300, 400) == 0.5
    assert default_tolerance(3000, 4000) == 2.5


def test_a_large_map_is_traced_on_a_copy():
    map = drawn(circle_perimeter(900, 1200, 600), shape=(1800, 2400))
    (large,) = find_contours(map)
    assert large.closed
    radii = np.hypot(*(large.points - (1200.5, 900.5)).T)
    assert abs(radii - 600).max() < 3
    assert len(large.points) < 200
