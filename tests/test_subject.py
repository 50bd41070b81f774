"""The subject of a map: what is connected, which parts stay, which holes are filled."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from featheredge.errors import ArgumentError
from featheredge.subject import label_parts, select_subject


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
@settings(max_examples=300)
def test_parts_are_those_of_scipy(mask):
    expected, count = scipy.ndimage.label(mask, np.ones((3, 3)))
    labels, found = label_parts(mask)
    assert found == count
    np.testing.assert_array_equal(labels, expected)


def two_blobs(size: int = 100) -> np.ndarray:
    """A large square, and one of a ninth of its area; faint around both."""
    map = np.zeros((size, size), np.float32)
    unit = size // 20
    map[2 * unit : 11 * unit, 2 * unit : 11 * unit] = 0.3
    map[2 * unit : 10 * unit, 2 * unit : 10 * unit] = 0.9
    map[14 * unit : 17 * unit, 14 * unit : 17 * unit] = 0.8
    return map


@pytest.mark.parametrize("size", [100, 1000])
def test_the_largest_part_alone(size):
    map = two_blobs(size)
    selected = select_subject(map, subject="largest")
    assert (selected.num_kept, selected.num_dropped) == (1, 1)
    half = size * 12 // 20
    kept = map[:half, :half] >= 0.5  # at large sizes a faint border may lose a pixel or two
    np.testing.assert_array_equal(selected.map[:half, :half][kept], map[:half, :half][kept])
    assert selected.map[half:].max() == 0


def test_islands_are_dropped_by_their_share_of_the_largest():
    map = two_blobs()
    assert select_subject(map, min_share=0.1)[1:] == (2, 0)
    assert select_subject(map, min_share=0.2)[1:] == (1, 1)
    np.testing.assert_array_equal(select_subject(map, min_share=0.1).map, map)


def test_small_holes_are_filled_and_large_ones_stay():
    map = np.full((100, 100), 0.9, np.float32)
    map[:5] = map[-5:] = 0
    map[50:53, 50:53] = 0.2
    map[20:40, 20:40] = 0.0
    selected = select_subject(map).map
    assert selected[50:53, 50:53].min() == 1
    assert selected[21:39, 21:39].max() == 0


def test_a_map_below_the_threshold_is_left_alone():
    map = np.full((20, 20), 0.3, np.float32)
    selected = select_subject(map)
    assert selected[1:] == (0, 0)
    np.testing.assert_array_equal(selected.map, map)


@given(
    arrays(np.float32, (15, 21), elements=st.floats(0, 1, width=32)),
    st.floats(0.1, 1.0),
    st.sampled_from(["all", "largest"]),
)
@settings(max_examples=100)
def test_values_are_kept_dropped_or_filled(map, threshold, subject):
    selected = select_subject(map, threshold, subject=subject).map
    assert ((selected == map) | (selected == 0) | (selected == 1)).all()
    if map.max() >= threshold:
        assert selected.max() >= threshold


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"min_share": 2.0}, {"subject": "biggest"}])
def test_arguments_out_of_range_are_named(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        select_subject(np.zeros((3, 3), np.float32), **wrong)
