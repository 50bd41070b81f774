"""The Pareto front against its definition, checked for every pair."""

from hypothesis import given
from hypothesis import strategies as st

from featheredge.report.front import pareto_front

few_values = st.integers(0, 5).map(float)  # few values, so that ties and duplicates are common


def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] >= b[1] and a != b


@given(st.lists(st.tuples(few_values, few_values), max_size=12))
def test_the_front_is_the_unbeaten_points(points):
    costs, scores = [cost for cost, _ in points], [score for _, score in points]
    front = pareto_front(costs, scores)
    unbeaten = [i for i, p in enumerate(points) if not any(beats(q, p) for q in points)]
    assert sorted(front) == unbeaten
    assert [costs[i] for i in front] == sorted(costs[i] for i in front)


@given(st.lists(st.tuples(st.floats(0.1, 1e3), st.floats(0, 1)), min_size=1))
def test_every_other_point_is_beaten_by_one_on_the_front(points):
    front = {points[i] for i in pareto_front(*zip(*points, strict=True))}
    assert all(point in front or any(beats(best, point) for best in front) for point in points)
