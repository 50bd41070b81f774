"""Decide the unsure pixels of a saliency map by the colours of its image.

A network's map is sure of most pixels and grey in between: shoulders, legs in grass, a hole in a
car. Two old methods decide these pixels from the sure ones. Colour histograms inside and outside
say which of the two a colour belongs to, as in Rother et al., "GrabCut" (SIGGRAPH 2004). Then a
random walk spreads sure values across pixels of similar colours, with the map as its prior: Grady,
"Multilabel Random Walker Image Segmentation Using Prior Models" (CVPR 2005, equation 10).

Everything happens on a small copy, so the time hardly depends on the image's size.

Shapes: `H W` pixels of the image; `h w` of its small copy; `N` = 16 bins for each colour channel.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featheredge.pixel_values import check_unit
from featheredge.resize import resize, small_copy

Map = NDArray[np.float32]

COPY_PX = 192
"""Longest side of the small copy; a smaller image is not resized."""

#: Log odds of a pixel are clipped to this: its map value stays between 0.001 and 0.999.
_MAX_LOG_ODDS = 7.0

#: How much a colour counts against the map, the most that it counts, and how often histograms are
#: computed again from the values that they gave.
_COLOUR_WEIGHT, _MAX_COLOUR, _COLOUR_ROUNDS = 1.5, 2.0, 2

#: Colour bins along each channel, the levels in each, and what is added to its share of colours.
_BINS, _LEVELS, _RARE = 16, 16, 1e-7

#: How strongly neighbours of equal colour are tied, and how fast that falls with the difference.
_TIE, _CONTRAST = 5.0, 2.0

#: How strongly a pixel is tied to its prior if the map is not sure of it at all.
_LEAST_TRUST = 0.01

#: Steps of conjugate gradients. On validation pictures, the masks of 30 steps are no better.
_SOLVER_STEPS = 20

#: The solver stops early at this squared error, summed over the pixels.
_SOLVED = 1e-9


def settle(map: Map, image: NDArray[np.uint8], threshold: float = 0.5) -> Map:
    """Decide the unsure pixels of a map; those of which it is sure hardly change.

    Args:
        map: (H, W) float32 in [0, 1], as large as the image or smaller.
        image: (H, W, 3) uint8 RGB.
        threshold: Map value between outside and inside; pixels near it are unsure. Above 0 and at
            most 1.

    Returns:
        (h, w) float32 in [0, 1].

    Raises:
        ImageError: The map has NaN or values outside [0, 1].
    """
    check_unit(map, "the map")
    small = small_copy(image, COPY_PX)
    centre = _log_odds(np.array(threshold, np.float32))
    odds = _log_odds(resize(map, *small.shape[:2])) - centre
    trust = np.square(np.square(2 * _probability(odds) - 1)) + np.float32(_LEAST_TRUST)
    settled = _walk(_tied(small), trust, _with_colours(small, odds))
    return _probability(_log_odds(settled) + centre)


def _with_colours(image: NDArray[np.uint8], odds: Map) -> Map:
    """Return (h, w) probabilities from log odds and the evidence of the image's colours."""
    bins = _flat_bins((image // _LEVELS).astype(np.intp)).ravel()
    corners = _corners(image)
    inside = _probability(odds)
    for _ in range(_COLOUR_ROUNDS):
        ratio = np.log(_histogram(bins, inside) / _histogram(bins, 1 - inside))
        evidence = np.clip(_COLOUR_WEIGHT * ratio, -_MAX_COLOUR, _MAX_COLOUR).ravel()
        # Between bins, so that a small change of a colour makes a small difference.
        inside = _probability(odds + sum(evidence[bin] * weight for bin, weight in corners))
    return inside


def _histogram(bins: NDArray[np.intp], weights: Map) -> Map:
    """Return the share of the weights in each bin, (N, N, N), smoothed and nowhere 0."""
    sums = np.bincount(bins, weights.ravel(), _BINS**3).reshape(_BINS, _BINS, _BINS)
    counts: NDArray[np.float64] = np.pad(sums, 1, "edge")
    for axis in range(3):
        moved = np.moveaxis(counts, axis, 0)
        counts = np.moveaxis(moved[:-2] + 2 * moved[1:-1] + moved[2:], 0, axis) / 4
    shares: Map = (counts / max(float(counts.sum()), 1.0) + _RARE).astype(np.float32)
    return shares


def _corners(image: NDArray[np.uint8]) -> list[tuple[NDArray[np.intp], Map]]:
    """Return the eight bins around each colour, and their weights, which add up to 1."""
    centred = image - np.float32((_LEVELS - 1) / 2)
    position = np.clip(centred / np.float32(_LEVELS), 0, _BINS - 1)
    low = np.minimum(position.astype(np.intp), _BINS - 2)
    first, upper = _flat_bins(low), position - low.astype(np.float32)
    shares = (1 - upper, upper)
    return [
        (
            first + (r * _BINS + g) * _BINS + b,
            shares[r][..., 0] * shares[g][..., 1] * shares[b][..., 2],
        )
        for r, g, b in itertools.product((0, 1), repeat=3)
    ]


def _flat_bins(bins: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number the bins of (h, w, 3) colours from 0 to N^3 - 1."""
    flat: NDArray[np.intp] = (bins[..., 0] * _BINS + bins[..., 1]) * _BINS + bins[..., 2]
    return flat


class _Grid(NamedTuple):
    """How strongly each pixel is tied to the next one, along rows and along columns.

    Attributes:
        across: (h, w - 1) float32.
        down: (h - 1, w) float32.
    """

    across: Map
    down: Map

    def laplacian(self, values: Map) -> Map:
        """Return (h, w) sums of the ties to all neighbours times the differences from them."""
        flow = np.zeros_like(values)
        across = self.across * (values[:, 1:] - values[:, :-1])
        down = self.down * (values[1:] - values[:-1])
        flow[:, 1:] += across
        flow[:, :-1] -= across
        flow[1:] += down
        flow[:-1] -= down
        return flow

    def total(self) -> Map:
        """Return the (h, w) sums of the ties to all neighbours."""
        return (
            np.pad(self.across, ((0, 0), (1, 0)))
            + np.pad(self.across, ((0, 0), (0, 1)))
            + np.pad(self.down, ((1, 0), (0, 0)))
            + np.pad(self.down, ((0, 1), (0, 0)))
        )


def _tied(image: NDArray[np.uint8]) -> _Grid:
    """Tie neighbours of similar colour, relative to how colours differ in this image."""
    colours = image.astype(np.float32) / 255
    across, down = (np.square(np.diff(colours, axis=axis)).sum(axis=2) for axis in (1, 0))
    mean = (across.sum() + down.sum()) / max(across.size + down.size, 1)
    fall = np.float32(_CONTRAST / (2 * mean + 1e-6))
    return _Grid(_TIE * np.exp(-fall * across), _TIE * np.exp(-fall * down))


def _walk(grid: _Grid, trust: Map, prior: Map) -> Map:
    """Solve (T + L) x = T prior with trust T and Laplacian L, by conjugate gradients."""
    scale = 1 / (trust + grid.total())  # the preconditioner: the inverse of the diagonal
    values = prior.copy()
    residual = -grid.laplacian(values)
    direction = np.zeros_like(values)
    before = np.inf
    for _ in range(_SOLVER_STEPS):
        scaled = scale * residual
        length = _dot(residual, scaled)
        if length < _SOLVED:
            break
        direction = scaled + np.float32(length / before) * direction
        change = trust * direction + grid.laplacian(direction)
        step = np.float32(length / _dot(direction, change))
        values += step * direction
        residual -= step * change
        before = length
    return np.clip(values, 0, 1)


def _dot(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    return float((first * second).sum())


def _log_odds(values: Map) -> Map:
    """Return log(p / (1 - p)), clipped."""
    with np.errstate(divide="ignore"):  # 0 and 1 are clipped
        odds = np.log(values) - np.log1p(-values)
    clipped: Map = np.clip(odds, -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
    return clipped


def _probability(odds: Map) -> Map:
    """Return the p of log odds."""
    probability: Map = np.reciprocal(1 + np.exp(-odds))
    return probability
