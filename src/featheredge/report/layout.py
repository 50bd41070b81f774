"""Layout of a trade-off chart: axes, ticks, and labels that do not overlap.

Positions on an axis are shares of its length, from 0 to 1. Positions in a plot are in the units of
the plot, x to the right and y down from the upper left corner.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

_MARGIN = 0.12  # free space at both ends of an axis, as a share of the range of values


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Attributes:
        low: Value at the start.
        high: Value at the end.
        ticks: Labelled values, ascending.
        log: Whether the axis is logarithmic.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool

    def place(self, value: float) -> float:
        """Return the position of a value, 0 at `low` and 1 at `high`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def log_axis(values: Sequence[float]) -> Axis:
    """Make a logarithmic axis for values above 0, with ticks at 1, 2 and 5 times powers of ten."""
    lowest, highest = min(values), max(values)
    margin = max(math.log(highest / lowest) * _MARGIN, 0.2)
    low, high = lowest * math.exp(-margin), highest * math.exp(margin)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = (digit * 10.0**power for power in decades for digit in (1, 2, 5))
    return Axis(low, high, tuple(tick for tick in ticks if low <= tick <= high), log=True)


def linear_axis(values: Sequence[float]) -> Axis:
    """Make a linear axis with about five ticks at round values."""
    lowest, highest = min(values), max(values)
    margin = max((highest - lowest) * _MARGIN, 0.005)
    low, high = lowest - margin, highest + margin
    smallest_step = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(smallest_step))
    step = power * next(digit for digit in (1, 2, 5, 10) if digit * power >= smallest_step)
    first = math.ceil(low / step)
    ticks = (round(step * i, 9) for i in range(first, math.floor(high / step) + 1))
    return Axis(low, high, tuple(ticks), log=False)


class Label(NamedTuple):
    """Position of a text beside its point.

    Attributes:
        x: Left end of the text.
        y: Baseline of the text.
    """

    x: float
    y: float


def place_labels(
    points: Sequence[tuple[float, float]],
    widths: Sequence[float],
    plot: tuple[float, float],
    *,
    line: float,
    gap: float,
    path: Sequence[tuple[float, float]] = (),
) -> list[Label | None]:
    """Place a text beside each point so that it covers no point, no other text and no path.

    Texts are placed in the order of the points, each at its best free position.

    Args:
        points: Positions of the points.
        widths: Width of each text.
        plot: Width and height of the plot; texts stay inside.
        line: Height of a text.
        gap: Distance between the centre of a point and its text.
        path: Corners of a line that no text may cover; its segments are horizontal or vertical.

    Returns:
        The position of each text, or None if no position is free.
    """
    near = gap * 0.7
    taken = [(x - near, y - near, x + near, y + near) for x, y in points]
    taken += [
        (min(a[0], b[0]) - 1, min(a[1], b[1]) - 1, max(a[0], b[0]) + 1, max(a[1], b[1]) + 1)
        for a, b in pairwise(path)
    ]
    labels: list[Label | None] = []
    for point, width in zip(points, widths, strict=True):
        chosen = None
        for label in _beside(*point, width, line, gap):
            box = (label.x, label.y - line * 0.8, label.x + width, label.y + line * 0.2)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= plot[0] and box[3] <= plot[1]
            if inside and not any(_overlap(box, other) for other in taken):
                chosen = label
                taken.append(box)
                break
        labels.append(chosen)
    return labels


def _beside(x: float, y: float, width: float, line: float, gap: float) -> list[Label]:
    """List positions of a text around a point, best first: sides, above and below, corners."""
    near = gap * 0.75
    above, below = y - near - line * 0.2, y + near + line * 0.8
    return [
        Label(x + gap, y + line / 3),
        Label(x - gap - width, y + line / 3),
        Label(x - width / 2, y - gap),
        Label(x - width / 2, y + gap + line * 0.8),
        Label(x - width - near, above),
        Label(x + near, below),
        Label(x + near, above),
        Label(x - width - near, below),
    ]


def staircase(points: Sequence[tuple[float, float]], right: float) -> list[tuple[float, float]]:
    """Return the corners of a front drawn as stairs: a score holds up to the next cost.

    Args:
        points: (cost, score) of the front, by ascending cost, in any units.
        right: Cost where the line ends.
    """
    corners = [points[0]]
    for x, y in points[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return [*corners, (right, corners[-1][1])]


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Return whether two boxes (left, top, right, bottom) overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
