"""Unsure pixels are decided by colours and neighbours; sure ones stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import interpn
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import spsolve

from featheredge import random_walk
from featheredge.errors import ImageError
from featheredge.random_walk import COPY_PX, settle

RED, GREEN = (200, 40, 30), (30, 160, 60)


def pictures() -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Small pictures of noise or of few colours, and maps with sure and unsure pixels."""

    def draw(seed: int, height: int, width: int, few: bool) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        colours = random.integers(0, 256, (height, width, 3))
        if few:
            colours = colours // 86 * 127
        return colours.astype(np.uint8), random.random((height, width), np.float32) ** 2

    sides = st.integers(1, 12)
    return st.builds(draw, st.integers(0, 999), sides, sides, st.booleans())


def red_on_green() -> tuple[np.ndarray, np.ndarray]:
    """A red square on green; the map knows it except for two grey corners."""
    image = np.full((60, 80, 3), GREEN, np.uint8)
    image[15:45, 20:60] = RED
    map = np.zeros((60, 80), np.float32)
    map[15:45, 20:60] = 1
    map[15:25, 20:35] = 0.4  # a corner of the square, a little under the threshold
    map[45:55, 20:35] = 0.6  # a piece of the background, a little over it
    return image, map


def test_colours_decide_what_the_map_is_unsure_of():
    image, map = red_on_green()
    inside = settle(map, image) >= 0.5
    np.testing.assert_array_equal(inside, image[..., 0] > 100)


def test_neighbours_decide_where_colours_do_not():
    """Stripes of both colours everywhere: only the borders of the stripes tell."""
    image = np.full((24, 64, 3), GREEN, np.uint8)
    image[:, ::16] = RED
    map = np.full((24, 64), 0.5, np.float32)
    map[10:14, 33:48] = 1
    map[10:14, 1:16] = 0
    settled = settle(map, image)
    assert settled[:, 33:48].min() > 0.5
    assert settled[:, 1:16].max() < 0.5


@given(pictures())
def test_inverting_the_map_inverts_the_result(given):
    image, map = given
    np.testing.assert_allclose(settle(1 - map, image), 1 - settle(map, image), atol=1e-3)


@given(pictures(), st.sampled_from([0.1, 0.3, 0.8]))
def test_values_count_from_the_threshold(given, threshold):
    """A map whose log odds are moved with the threshold has the same pixels inside."""
    image, map = given
    map = np.clip(map, 0.01, 0.99)
    odds = np.log(map / (1 - map)) + np.log(threshold / (1 - threshold))
    moved = (1 / (1 + np.exp(-odds))).astype(np.float32)
    expected = settle(map, image)
    found = settle(moved, image, threshold)
    clear = np.abs(expected - 0.5) > 1e-3
    np.testing.assert_array_equal((found >= threshold)[clear], (expected >= 0.5)[clear])


def test_sure_regions_stay_in_noise(noise):
    map = np.zeros((40, 60), np.float32)
    map[:, 30:] = 1
    settled = settle(map, noise(40, 60))
    assert settled.dtype == np.float32
    assert 0 <= settled.min() < settled[:, :27].max() < 0.1
    assert 0.9 < settled[:, 33:].min() < settled.max() <= 1


def test_large_images_are_settled_on_a_small_copy():
    image = np.zeros((300, 1000, 3), np.uint8)
    assert settle(np.zeros((30, 100), np.float32), image).shape == (58, COPY_PX)


def test_values_outside_the_range_are_refused():
    with pytest.raises(ImageError, match="the map"):
        settle(np.full((4, 4), np.nan, np.float32), np.zeros((4, 4, 3), np.uint8))


@given(pictures())
def test_the_walk_solves_its_equation(given):
    """A direct sparse solver is the oracle, on pictures that few steps solve."""
    image, map = given
    trust = (np.abs(2 * map - 1) ** 4 + 0.3).astype(np.float32)
    found = random_walk._walk(random_walk._tied(image), trust, map)
    np.testing.assert_allclose(found, direct_solution(image, trust, map), atol=2e-3)


def direct_solution(image, trust, prior):
    """Equation 10 of Grady (2005), assembled pixel by pixel."""
    height, width = prior.shape
    colours = image.astype(float) / 255
    pairs = [((y, x), (y, x + 1)) for y in range(height) for x in range(width - 1)]
    pairs += [((y, x), (y + 1, x)) for y in range(height - 1) for x in range(width)]
    apart = np.array([((colours[a] - colours[b]) ** 2).sum() for a, b in pairs])
    ties = 5 * np.exp(-2 * apart / (2 * (apart.mean() if pairs else 0) + 1e-6))
    laplacian = np.zeros((height * width,) * 2)
    for (a, b), tie in zip(pairs, ties, strict=True):
        i, j = (y * width + x for y, x in (a, b))
        laplacian[[i, j, i, j], [i, j, j, i]] += (tie, tie, -tie, -tie)
    system = diags_array(trust.ravel().astype(float)) + coo_array(laplacian)
    solution = spsolve(system.tocsc(), trust.ravel().astype(float) * prior.ravel())
    return solution.reshape(height, width)


@given(st.integers(0, 99))
def test_colours_are_looked_up_between_bins(seed):
    """SciPy's interpolation on the centres of the bins is the oracle."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (5, 6, 3)).astype(np.uint8)
    table = random.random((16, 16, 16))
    centres = np.arange(16) * 16 + 7.5
    expected = interpn((centres,) * 3, table, np.clip(image, 7.5, 247.5))
    corners = random_walk._corners(image)
    found = sum(table.ravel()[bins] * weights for bins, weights in corners)
    np.testing.assert_allclose(found, expected, atol=1e-5)
