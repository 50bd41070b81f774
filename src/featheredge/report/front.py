"""The Pareto front: the points that no other point beats."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Find the points on the Pareto front.

    A point beats another if it costs no more, scores no less, and is better in at least one of the
    two. Equal points do not beat each other.

    Args:
        costs: One for each point; lower is better.
        scores: One for each point; higher is better.

    Returns:
        Indices of the points that no other beats, by ascending cost.
    """
    front: list[int] = []
    best = -float("inf")
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i])):
        equal = bool(front) and (costs[i], scores[i]) == (costs[front[-1]], scores[front[-1]])
        if scores[i] > best or equal:
            front.append(i)
            best = scores[i]
    return front
