"""Express the cost of convolutions, in multiply-adds or milliseconds, by the counts of groups.

Milliseconds are measured at a few widths of every convolution and interpolated between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from featheredge.channels.groups import Group
from featheredge.pruning.allocate import Term
from featheredge.pruning.conv_timing import Stopwatch
from featheredge.pruning.convolutions import Convolution

#: (name of the kernel, convolution) pairs, from `find_convolutions`.
Calls: TypeAlias = Sequence[tuple[str, Convolution]]
#: Groups that keep the same number of units.
Tied: TypeAlias = Sequence[Group]

#: Number of widths at which a convolution is timed: along one axis, and along each of two.
_ALONG_ONE, _ALONG_TWO = 8, 4


@dataclass(frozen=True)
class _Layer:
    """A convolution and the ties that set its widths.

    Attributes:
        full: The unpruned convolution.
        members: Indices of the ties that it depends on.
        units: Units of each of these ties before pruning.
        channels: Rows and columns of the kernel that one unit of each of these ties holds.
    """

    full: Convolution
    members: tuple[int, ...]
    units: tuple[int, ...]
    channels: tuple[tuple[int, int], ...]

    def at(self, counts: Sequence[int]) -> Convolution:
        """Return the convolution when its ties keep `counts` units."""
        removed = [before - count for before, count in zip(self.units, counts, strict=True)]
        rows, columns = (
            sum(size[axis] * lost for size, lost in zip(self.channels, removed, strict=True))
            for axis in (0, 1)
        )
        return self.full.with_widths(self.full.rows - rows, self.full.columns - columns)


def macs_terms(calls: Calls, ties: Sequence[Tied]) -> list[Term]:
    """Return the multiply-adds of every convolution as terms.

    Args:
        calls: The network's convolutions.
        ties: The ties that the terms' members index.
    """
    layers = [_layer(*call, ties) for call in calls]
    return [
        Term(x.members, cache(lambda counts, x=x: float(x.at(counts).multiply_adds)))
        for x in layers
    ]


def time_terms(
    calls: Calls, ties: Sequence[Tied], counts: Sequence[Sequence[int]], stopwatch: Stopwatch
) -> list[Term]:
    """Return the milliseconds of every convolution as terms.

    Args:
        calls: The network's convolutions.
        ties: The ties that the terms' members index.
        counts: The counts that each tie may keep, descending.
        stopwatch: Measures convolutions; called once for all.
    """
    layers = [_layer(*call, ties) for call in calls]
    grids = [_Grid(layer, [counts[i] for i in layer.members]) for layer in layers]
    times = stopwatch([c for grid in grids for c in grid.convolutions])
    return [
        Term(layer.members, _interpolated(layer, grid, [times[c] for c in grid.convolutions]))
        for layer, grid in zip(layers, grids, strict=True)
    ]


def spread(values: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of the values, evenly spaced, with the first and the last."""
    indices = np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int)
    return [values[index] for index in indices]


def _layer(kernel: str, convolution: Convolution, ties: Sequence[Tied]) -> _Layer:
    members, units, channels = [], [], []
    for number, tied in enumerate(ties):
        rows, columns = (
            sum(x.axes[kernel, axis].shape[1] for x in tied if (kernel, axis) in x.axes)
            for axis in (0, 1)
        )
        if rows or columns:
            members.append(number)
            units.append(tied[0].size)
            channels.append((rows, columns))
    return _Layer(convolution, tuple(members), tuple(units), tuple(channels))


class _Grid:
    """The widths at which a layer is timed.

    Attributes:
        convolutions: The convolutions to time.
        axes: Widths along each axis, ascending; the convolutions are their product.
    """

    def __init__(self, layer: _Layer, counts: Sequence[Sequence[int]]) -> None:
        full, least = layer.full, layer.at([c[-1] for c in counts])
        self._varying = [w for w in ("rows", "columns") if getattr(full, w) > getattr(least, w)]
        if len(counts) == 1:  # rows and columns change together, if both do
            self._varying = self._varying[:1]
            self.convolutions = [layer.at((n,)) for n in spread(counts[0][::-1], _ALONG_ONE)]
        else:
            points = _ALONG_ONE if len(self._varying) == 1 else _ALONG_TWO
            widths = (
                spread(range(getattr(least, w), getattr(full, w) + 1), points)
                for w in ("rows", "columns")
            )
            self.convolutions = [full.with_widths(*pair) for pair in product(*widths)]
        positions = zip(*map(self.position, self.convolutions), strict=True)
        self.axes = [sorted(set(along)) for along in positions]

    def position(self, convolution: Convolution) -> tuple[int, ...]:
        """Return the coordinates of a convolution on the axes."""
        return tuple(getattr(convolution, width) for width in self._varying)


def _interpolated(layer: _Layer, grid: _Grid, times: Sequence[float]) -> Any:
    """Return a function from counts to milliseconds, linear between the timed widths."""
    if not grid.axes:
        return lambda counts: times[0]
    table = np.reshape(times, [len(along) for along in grid.axes])
    between = RegularGridInterpolator(grid.axes, table)
    return cache(lambda counts: float(between([grid.position(layer.at(counts))])[0]))
