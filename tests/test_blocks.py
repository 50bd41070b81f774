"""Blocks: their bounds hold for every pixel, and areas cover exactly the chosen blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featheredge import blocks
from featheredge.blocks import BLOCK_PX, areas, block_extremes
from featheredge.resize import resize


def of_blocks(values: np.ndarray, combine) -> np.ndarray:
    height, width = values.shape
    return np.array(
        [
            [combine(values[y : y + BLOCK_PX, x : x + BLOCK_PX]) for x in range(0, width, BLOCK_PX)]
            for y in range(0, height, BLOCK_PX)
        ]
    )


@settings(max_examples=40)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    shrink=st.floats(1, 20),
)
def test_every_enlarged_pixel_lies_within_the_extremes_of_its_block(height, width, shrink):
    small = (max(int(height / shrink), 1), max(int(width / shrink), 1))
    values = np.random.default_rng(height).random(small, np.float32)
    enlarged = resize(values, height, width)
    lowest, highest = block_extremes(values, (height, width))
    assert (lowest <= of_blocks(enlarged, np.min) + 1e-6).all()
    assert (highest >= of_blocks(enlarged, np.max) - 1e-6).all()


def test_without_enlarging_the_extremes_are_exact(noise):
    values = noise(150, 200)[..., 0]
    lowest, highest = block_extremes(values, values.shape)
    np.testing.assert_array_equal(lowest, of_blocks(values, np.min))
    np.testing.assert_array_equal(highest, of_blocks(values, np.max))


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 130), (200, 300)])
def test_areas_cover_the_chosen_blocks_once(shape):
    rows, columns = (-(-length // blocks.BLOCK_PX) for length in shape)
    chosen = np.random.default_rng(0).random((rows, columns)) < 0.5
    covered = np.zeros(shape, int)
    for area in areas(chosen, shape):
        covered[area] += 1
    expected = chosen.repeat(BLOCK_PX, axis=0).repeat(BLOCK_PX, axis=1)
    np.testing.assert_array_equal(covered, expected[: shape[0], : shape[1]])
