"""The Pareto front: what no other point beats in score without costing more."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Say which points are on the front.

    A point is beaten by one that costs no more and scores no less, and is better in either. Equal
    points do not beat each other.

    Args:
        costs: One for each point, less is better.
        scores: One for each point, more is better.

    Returns:
        Indices of the points that nothing beats, by rising cost.
    """
    front: list[int] = []
    best = -float("inf")
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i])):
        equal = bool(front) and (costs[i], scores[i]) == (costs[front[-1]], scores[front[-1]])
        if scores[i] > best or equal:
            front.append(i)
            best = scores[i]
    return front
