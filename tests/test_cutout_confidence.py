"""The confidence of cut-outs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from featheredge import confidence
from featheredge.errors import ArgumentError

maps = arrays.arrays(np.float32, (5, 7), elements=st.floats(0, 1, width=32))


@given(maps, st.floats(0.0625, 1, width=32))
def test_it_is_the_expected_intersection_over_the_expected_union(map, threshold):
    inside, outside, area = 0.0, 0.0, 0
    for p in map.ravel().tolist():
        if p >= threshold:
            inside, area = inside + p, area + 1
        else:
            outside += p
    expected = inside / (area + outside) if area else 0
    assert confidence(map, threshold) == pytest.approx(expected, abs=1e-6)
    assert 0 <= confidence(map, threshold) <= 1 + 1e-9


def test_sharp_maps_are_certain_and_grey_ones_are_not():
    sharp = np.zeros((10, 10), np.float32)
    sharp[2:8, 2:8] = 1
    grey_outside, grey_inside = sharp.copy(), sharp.copy()
    grey_outside[8:] = 0.4
    grey_inside[2:5] *= 0.6
    assert confidence(sharp) == 1
    assert confidence(grey_outside) < 0.9
    assert confidence(grey_inside) < 0.9
    assert confidence(np.full((4, 4), 0.3, np.float32)) == 0


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ArgumentError, match="threshold is 0"):
        confidence(np.zeros((2, 2), np.float32), 0)
