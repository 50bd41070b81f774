"""Resizing: what it keeps, and that strips of the result are the result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featheredge.resize import fit_inside, resize, resize_rows, small_copy, strips

SIDES = st.integers(1, 40)


@settings(max_examples=50)
@given(height=SIDES, width=SIDES, new_height=SIDES, new_width=SIDES, cut=st.integers(0, 39))
def test_some_rows_are_those_of_the_whole(height, width, new_height, new_width, cut):
    cut = min(cut, new_height - 1)
    array = np.random.default_rng(0).random((height, width), np.float32)
    whole = resize(array, new_height, new_width)
    source = Image.fromarray(array)
    parts = [
        resize_rows(source, new_height, new_width, slice(start, stop))
        for start, stop in ((0, cut), (cut, new_height))
        if start < stop
    ]
    # Pillow keeps the box in float32: at 40 pixels a border may be 2e-6 off, and so the values.
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


@settings(max_examples=50)
@given(height=SIDES, width=SIDES, new_height=SIDES, new_width=SIDES, level=st.floats(0, 1))
def test_values_stay_in_their_range(height, width, new_height, new_width, level):
    flat = np.full((height, width), level, np.float32)
    assert resize(flat, new_height, new_width).max() <= np.float32(level)
    np.testing.assert_allclose(resize(flat, new_height, new_width), flat[0, 0], rtol=1e-6)


@pytest.mark.parametrize("factor", [3, 4])
def test_nothing_moves(factor):
    """Pixels are areas: a ramp that is enlarged is the same ramp, and so is one made smaller."""
    ramp = np.linspace(0, 1, 60, dtype=np.float32)[None].repeat(5, 0)
    large = resize(ramp, 5, 60 * factor)
    inner = slice(2 * factor, -2 * factor)
    position = (np.arange(60 * factor) + 0.5) / factor - 0.5
    np.testing.assert_allclose(large[0, inner], position[inner] / 59, atol=1e-5)
    small = resize(ramp, 5, 60 // factor)
    position = (np.arange(60 // factor) + 0.5) * factor - 0.5
    np.testing.assert_allclose(small[0, 1:-1], position[1:-1] / 59, atol=1e-5)


def test_fine_stripes_become_grey_when_made_smaller():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(resize(stripes, 8, 8).astype(int) - 127.5).max() < 12


def test_the_result_can_be_written_to(noise):
    resized = resize(noise(4, 5), 8, 10)
    resized[...] = 0
    assert (resized.dtype, resized.shape) == (np.uint8, (8, 10, 3))


@given(height=st.integers(1, 5000), width=st.integers(1, 5000))
def test_strips_cover_every_row_once(height, width):
    rows = [row for strip in strips(height, width) for row in range(strip.start, strip.stop)]
    assert rows == list(range(height))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((30, 40), (30, 40)), ((300, 400), (75, 100)), ((9999, 1), (100, 1))],
)
def test_fit_inside_keeps_the_shape_and_never_enlarges(size, expected):
    assert fit_inside(*size, 100) == expected


def test_a_small_copy_is_the_resized_image_up_to_rounding(noise):
    image = resize(noise(30, 40), 900, 1200)
    copy, exact = small_copy(image, 100), resize(image, 75, 100)
    assert copy.shape == exact.shape
    assert np.abs(copy.astype(int) - exact).max() <= 2
    assert small_copy(image, 1200) is image
