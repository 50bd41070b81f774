"""Axes contain their values; labels overlap nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featheredge.report.layout import linear_axis, log_axis, place_labels, staircase

costs = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8)
shares = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(costs)
def test_log_axis_contains_every_value_and_ticks_are_round(values):
    axis = log_axis(values)
    places = [axis.place(value) for value in values]
    assert all(0 < place < 1 for place in places)
    assert sorted(places) == [axis.place(value) for value in sorted(values)]
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert all(f"{tick:.0e}"[0] in "125" for tick in axis.ticks)
    a, b = 10 ** axis.place(axis.low), 10 ** axis.place(math.sqrt(axis.low * axis.high))
    assert b / a == pytest.approx(10**0.5)  # equal steps are equal ratios


@given(shares)
def test_linear_axis_contains_every_value_with_a_few_ticks(values):
    axis = linear_axis(values)
    assert all(0 < axis.place(value) < 1 for value in values)
    assert 2 <= len(axis.ticks) <= 7
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


def test_linear_axis_by_hand():
    axis = linear_axis([0.70, 0.80])
    assert (axis.low, axis.high) == pytest.approx((0.688, 0.812))
    assert axis.ticks == (0.7, 0.75, 0.8)
    assert axis.place(0.75) == pytest.approx(0.5)


PLOT = (200.0, 120.0)
LINE, GAP = 10.0, 8.0
places = st.tuples(st.floats(0, PLOT[0]), st.floats(0, PLOT[1]))


@given(st.lists(st.tuples(places, st.floats(5, 90)), min_size=1, max_size=10))
def test_labels_cover_no_point_and_no_label(labelled):
    points, widths = zip(*labelled, strict=True)
    path = [(0.0, 60.0), (100.0, 60.0), (100.0, 20.0)]
    labels = place_labels(points, widths, PLOT, line=LINE, gap=GAP, path=path)
    boxes = [
        (label.x, label.y - LINE * 0.8, label.x + width, label.y + LINE * 0.2)
        for label, width in zip(labels, widths, strict=True)
        if label
    ]
    for i, box in enumerate(boxes):
        assert box[0] >= 0
        assert box[1] >= 0
        assert box[2] <= PLOT[0]
        assert box[3] <= PLOT[1]
        assert not any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)
        for other in boxes[:i]:
            beside = box[2] <= other[0] or other[2] <= box[0]
            assert beside or box[3] <= other[1] or other[3] <= box[1]
        assert not (box[0] < 100 and box[1] < 60 < box[3])
        assert not (box[0] < 100 < box[2] and box[1] < 60 and box[3] > 20)


@given(st.tuples(st.floats(20, 180), st.floats(20, 100)), st.floats(5, 30))
def test_a_lonely_point_gets_its_label(point, width):
    assert place_labels([point], [width], PLOT, line=LINE, gap=GAP) != [None]


def test_stairs_go_along_and_then_up():
    assert staircase([(1, 5), (3, 8), (4, 9)], 7) == [
        (1, 5), (3, 5), (3, 8), (4, 8), (4, 9), (7, 9),
    ]  # fmt: skip
