"""Non-maximum suppression of edge maps: wide edges become thin ridge lines.

Follows the procedure of Dollár and Zitnick, "Fast Edge Detection Using Structured Forests" (PAMI
2015), which edge papers apply before scoring: smooth the map, estimate the edge orientation from
second derivatives of a smoother copy, and keep a pixel only if it is not lower than its neighbours
on both sides along the edge normal. Pure NumPy, in float32.

The published formula uses the sign of the mixed derivative, which is 0 on a ridge exactly along a
row. Such a ridge keeps its width, in the original and here.

Shapes: `H W` pixels of the image; `h` rows of one strip.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError, ImageError

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Suppression:
    """The parameters of one variant of the procedure.

    Attributes:
        smooth: Whether to smooth the map first, with [1 2 1] / 4 in both directions.
        reach_px: How many pixels along the normal a pixel is compared with, on each side.
        border_px: Width of the frame that fades to 0 at the border of the image.
        margin: Factor by which a neighbour must be higher to suppress a pixel.
    """

    smooth: bool
    reach_px: int
    border_px: int = 5
    margin: float = 1.01


VARIANTS: dict[str, Suppression | None] = {
    "hed": Suppression(smooth=True, reach_px=1),
    "rcf": Suppression(smooth=False, reach_px=2),
    "none": None,
}
_ORIENTATION_RADIUS = 4
_STRIP_PIXELS = 1 << 20


def suppress(edge_map: NDArray[np.floating], variant: str = "hed") -> Map:
    """Set all pixels that are not on a ridge to 0.

    Args:
        edge_map: (H, W) floating point in [0, 1].
        variant: "hed", "rcf" or "none" (returns an unchanged copy).

    Returns:
        (H, W) float32 in [0, 1]; 0 where suppressed, else the value of the (smoothed) map.

    Raises:
        ArgumentError: The variant is unknown.
        ImageError: The map is not two-dimensional or is empty.

    Example:
        >>> import featheredge as fe
        >>> map = fe.edges("examples/coffee.jpg")
        >>> thin = fe.thin(map)
        >>> bool((thin > 0).sum() < (map > 0).sum() / 2)
        True
    """
    if variant not in VARIANTS:
        raise ArgumentError(f"unknown variant {variant!r}; choose one of {', '.join(VARIANTS)}")
    if edge_map.ndim != 2 or edge_map.size == 0:
        raise ImageError(
            f"the edge map has shape {edge_map.shape}; expected (H, W) with at least 1 pixel"
        )
    rule = VARIANTS[variant]
    whole = np.ascontiguousarray(edge_map, np.float32)
    if rule is None:
        return whole.copy()
    height, width = whole.shape
    # Rows outside a strip that its result depends on: both smoothings, two derivatives, the reach
    # along the normal and the second row of the interpolation.
    halo = 1 + _ORIENTATION_RADIUS + 2 + rule.reach_px + 1
    rows = max(1, _STRIP_PIXELS // width)
    thin = np.empty_like(whole)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - halo), min(height, bottom + halo)
        strip = _suppress_strip(whole[first:last], first, height, rule)
        thin[top:bottom] = strip[top - first : bottom - first]
    return _fade_border(thin, rule.border_px)


def _suppress_strip(strip: Map, first: int, height: int, rule: Suppression) -> Map:
    """Suppress one strip, (h, W) -> (h, W); its first row is row `first` of `height` rows."""
    values = _convolve_triangle(strip, 1) if rule.smooth else strip
    normal = _normal_angle(values)
    y, x = np.nonzero(values)
    along_x, along_y = np.cos(normal[y, x]), np.sin(normal[y, x])
    raised = values[y, x] * np.float32(rule.margin)
    keep = np.ones(len(y), np.bool_)
    for step in range(-rule.reach_px, rule.reach_px + 1):
        if step:
            # Row coordinates of the whole image: rounding does not depend on the strips.
            at_y = ((y + first) + np.float32(step) * along_y).astype(np.float32)
            at_x = (x + np.float32(step) * along_x).astype(np.float32)
            keep &= raised >= _interpolate(values, at_y, at_x, first, height)
    thin = np.zeros_like(values)
    thin[y[keep], x[keep]] = values[y[keep], x[keep]]
    return thin


def _convolve_triangle(values: Map, radius: int) -> Map:
    """Convolve rows and columns with normalised [1 .. radius+1 .. 1]; borders are mirrored."""
    weights = (radius + 1 - np.abs(np.arange(-radius, radius + 1))).astype(np.float32)
    weights /= weights.sum()
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(values, pad, mode="symmetric")
        size = values.shape[axis]
        values = np.zeros_like(values)
        for i, weight in enumerate(weights):
            window = slice(i, i + size)
            values += weight * (padded[window] if axis == 0 else padded[:, window])
    return values


def _derivative(values: Map, axis: int) -> Map:
    """Return central differences, one-sided at the borders; 0 along an axis of one pixel."""
    if values.shape[axis] == 1:
        return np.zeros_like(values)
    return np.gradient(values, axis=axis).astype(np.float32, copy=False)


def _normal_angle(values: Map) -> Map:
    """Return the angle of the edge normal, in radians in [0, pi], from second derivatives."""
    smooth = _convolve_triangle(values, _ORIENTATION_RADIUS)
    dx, dy = _derivative(smooth, 1), _derivative(smooth, 0)
    dxx, dxy, dyy = _derivative(dx, 1), _derivative(dy, 1), _derivative(dy, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = dyy * np.sign(-dxy) / (dxx + np.float32(1e-5))
    # 0/0 occurs only where the map is exactly flat; any angle is correct there.
    angle: Map = np.mod(np.arctan(np.nan_to_num(slope, nan=0.0)), np.float32(np.pi))
    return angle


def _interpolate(values: Map, at_y: Map, at_x: Map, first: int, height: int) -> Map:
    """Return bilinear samples at image coordinates, which are clipped to the image."""
    width = values.shape[1]
    at_y = np.clip(at_y, np.float32(0), np.float32(max(0, height - 1.001)))
    at_x = np.clip(at_x, np.float32(0), np.float32(max(0, width - 1.001)))
    y, x = at_y.astype(np.intp), at_x.astype(np.intp)
    down, right = at_y - y.astype(np.float32), at_x - x.astype(np.float32)
    # The strip includes its halo; clipping here does not change the rows that are kept.
    y0 = np.clip(y - first, 0, len(values) - 1)
    y1, x1 = np.minimum(y0 + 1, len(values) - 1), np.minimum(x + 1, width - 1)
    upper = values[y0, x] * (1 - right) + values[y0, x1] * right
    lower = values[y1, x] * (1 - right) + values[y1, x1] * right
    between: Map = upper * (1 - down) + lower * down
    return between


def _fade_border(values: Map, border_px: int) -> Map:
    """Scale the outer rows and columns by 0/b, 1/b, ... in place, with b = `border_px`."""
    for axis in (0, 1):
        lines = values if axis == 0 else values.T
        width = min(border_px, len(lines) // 2)
        for i in range(width):
            lines[i] *= np.float32(i / width)
            lines[-1 - i] *= np.float32(i / width)
    return values
