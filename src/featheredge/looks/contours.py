"""Contours of an edge map: its thin lines as smooth polylines.

Lines are traced on a copy of the map of at most 1600 px, so that the time hardly depends on the
size of a large picture.

Shapes: `H W` pixels of the map; `N` points of one contour.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError, ImageError
from featheredge.looks.linking import linked_pixels
from featheredge.looks.polyline import simplify, smooth
from featheredge.nms import suppress
from featheredge.resize import fit_inside, resize
from featheredge.skeleton import skeletonise

THRESHOLD = 0.3

#: Longest side of the copy on which lines are traced, in pixels.
_COPY_PX = 1600

#: Lines are traced through pixels of at least this share of the threshold, which closes gaps.
_WEAK = 0.5


class Contour(NamedTuple):
    """One line of an edge map.

    Attributes:
        points: (N, 2) float32, x and y in pixels; pixel centres are at .5. A closed contour ends
            with its first point.
        strength: Mean value of the map along the line, in [0, 1].
    """

    points: NDArray[np.float32]
    strength: float

    @property
    def closed(self) -> bool:
        """Whether the line ends where it begins."""
        return bool((self.points[0] == self.points[-1]).all())

    @property
    def length_px(self) -> float:
        """Length of the line."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


def find_contours(
    map: NDArray[np.floating],
    threshold: float = THRESHOLD,
    *,
    tolerance_px: float | None = None,
    min_length_px: float | None = None,
) -> list[Contour]:
    """Link the edges of a map into smooth contours.

    Args:
        map: (H, W) floating point in [0, 1], the output of an edge network; it is thinned first.
        threshold: Mean value that the map must have along a contour, above 0 and at most 1. Weaker
            pixels, of at least half of it, close gaps.
        tolerance_px: A simplified contour is at most this far from the traced one. None is
            `default_tolerance(H, W)`; 0 keeps every point.
        min_length_px: Shorter contours are dropped. None is a fiftieth of the longer side.

    Returns:
        The contours, longest first.

    Raises:
        ArgumentError: A number is out of range.
        ImageError: The map is not two-dimensional or is empty.
    """
    if map.ndim != 2 or map.size == 0:
        raise ImageError(
            f"the edge map has shape {map.shape}; expected (H, W) with at least 1 pixel"
        )
    height, width = map.shape
    tolerance = default_tolerance(height, width) if tolerance_px is None else tolerance_px
    shortest = max(height, width) / 50 if min_length_px is None else min_length_px
    if not (0 < threshold <= 1 and tolerance >= 0 and shortest >= 0):
        raise ArgumentError(
            f"threshold is {threshold}, tolerance_px is {tolerance} and min_length_px is "
            f"{shortest}; expected a threshold above 0 and at most 1, and lengths of 0 or more"
        )
    small = resize(np.asarray(map, np.float32), *fit_inside(height, width, _COPY_PX))
    scale = (np.array(map.shape) / small.shape)[::-1].astype(np.float32)
    found = []
    for traced in _traced(suppress(small), _WEAK * threshold):
        contour = traced._replace(points=smooth(traced.points) * scale)
        if contour.strength >= threshold and contour.length_px >= shortest:
            found.append(contour._replace(points=simplify(contour.points, tolerance)))
    return sorted(found, key=lambda contour: -contour.length_px)


def default_tolerance(height: int, width: int) -> float:
    """Return the tolerance of a picture's contours, in pixels: not visible when it fills a screen.

    It is half a pixel up to a longer side of 800 pixels, and grows with the picture beyond.
    """
    return max(max(height, width) / _COPY_PX, 0.5)


def _traced(thin: NDArray[np.float32], threshold: float) -> Iterator[Contour]:
    """Yield the contours of a thin map, (H, W), with a point for each pixel."""
    skeleton = np.pad(skeletonise(thin >= threshold), 1)
    row = skeleton.shape[1]
    values = np.pad(thin, 1).ravel()
    for path in linked_pixels(skeleton):
        pixels = np.array(path)
        y, x = np.divmod(pixels, row)
        points = np.stack([x, y], axis=1).astype(np.float32) - np.float32(0.5)
        yield Contour(points, float(values[pixels].mean()))
