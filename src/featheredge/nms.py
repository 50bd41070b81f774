"""Non-maximum suppression of edge maps: wide edges become thin ridge lines.

Follows the procedure of Dollár and Zitnick, "Fast Edge Detection Using Structured Forests" (PAMI
2015), which edge papers apply before scoring: smooth the map, estimate the edge orientation from
second derivatives of a smoother copy, and keep a pixel only if it is not lower than its neighbours
on both sides along the edge normal. Pure NumPy, in float32.

The published formula uses the sign of the mixed derivative, which is 0 on a ridge exactly along a
row. Such a ridge keeps its width, in the original and here.

The image is processed in blocks that fit in the second-level cache. A block with its frame is
stored as one long row of values, in which a neighbour in any direction is a shifted slice. No
coordinate, angle or index is computed, except for variants that look further than one pixel.

Shapes: `H W` pixels of the image; `h w` of a block with its frame; `N` = h w.
"""

from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError, ImageError
from featheredge.pixel_values import check_unit

Map = NDArray[np.float32]
Flat = NDArray[np.float32]


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

#: Width of a block's frame: at least what smoothing, derivatives and samples reach, 8 pixels.
_FRAME_PX = 10
_BLOCK_PX = 256
_INSIDE = slice(_FRAME_PX, -_FRAME_PX)


class Normals(NamedTuple):
    """The lines along which edges are crossed, as unit vectors without their signs.

    Attributes:
        x: (N,) float32, component along the rows.
        y: (N,) float32, component along the columns.
        falling: (N,) bool, whether y increases with x along the line.
    """

    x: Flat
    y: Flat
    falling: NDArray[np.bool_]


def suppress(edge_map: NDArray[np.floating], variant: str = "hed") -> Map:
    """Set all pixels that are not on a ridge to 0.

    Args:
        edge_map: (H, W) floating point in [0, 1].
        variant: "hed", "rcf" or "none" (returns an unchanged copy).

    Returns:
        (H, W) float32 in [0, 1]; 0 where suppressed, else the value of the (smoothed) map.

    Raises:
        ArgumentError: The variant is unknown.
        ImageError: The map is not two-dimensional, is empty, or has NaN or values outside [0, 1].

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
    whole = np.asarray(edge_map, np.float32)
    check_unit(whole, "the edge map")
    if rule is None:
        return whole.copy()
    thin = np.empty(whole.shape, np.float32)
    for rows, columns in product(*(_blocks(length) for length in whole.shape)):
        thin[rows, columns] = _suppress_block(whole, rows, columns, rule)
    return _fade_border(thin, rule.border_px)


def _blocks(length: int) -> list[slice]:
    """Split an axis into equal parts of at most `_BLOCK_PX` pixels."""
    count = -(-length // _BLOCK_PX)
    return [slice(*ends) for ends in pairwise(length * i // count for i in range(count + 1))]


def _suppress_block(whole: Map, rows: slice, columns: slice, rule: Suppression) -> Map:
    """Suppress one block of the (H, W) map and return it without its frame."""
    framed, missing = _with_frame(whole, rows, columns)
    line = framed.shape[1]
    values = _smoothed(framed.ravel(), line) if rule.smooth else framed.ravel()
    normals = _normals(values, line, missing)
    raised = values * np.float32(rule.margin)
    keep = (raised >= _highest_neighbour(values, normals, line)).reshape(-1, line)
    inside = np.zeros_like(keep)
    inside[_INSIDE, _INSIDE] = keep[_INSIDE, _INSIDE]
    for step in range(2, rule.reach_px + 1):
        at = np.flatnonzero(inside)  # few pixels are left
        inside.ravel()[at] = raised[at] >= _highest_sample(values, normals, line, at, step)
    return (values.reshape(-1, line) * inside)[_INSIDE, _INSIDE]


def _with_frame(whole: Map, rows: slice, columns: slice) -> tuple[Map, list[tuple[int, int]]]:
    """Return a block with its frame, mirrored where the frame lies outside the image.

    Also returns how many lines lie outside, before and after, for each axis.
    """
    area, missing = [], []
    for part, length in zip((rows, columns), whole.shape, strict=True):
        first, last = part.start - _FRAME_PX, part.stop + _FRAME_PX
        area.append(slice(max(first, 0), min(last, length)))
        missing.append((max(-first, 0), max(last - length, 0)))
    block = whole[tuple(area)]
    if any(map(any, missing)):
        return np.pad(block, missing, mode="symmetric"), missing
    return np.ascontiguousarray(block), missing


def _sums(values: Flat, length: int, step: int) -> Flat:
    """Sum 2 or 5 values at distances of `step`: shorter by (length - 1) * step."""
    sums = values[:-step] + values[step:]
    if length == 5:
        sums = sums[: -2 * step] + sums[2 * step :]
        sums = sums[:-step] + values[4 * step :]
    return sums


def _triangle(values: Flat, length: int, line: int) -> Flat:
    """Convolve twice with `length` ones along rows and columns, (N,) -> (N,); 0 at both ends."""
    inner = _sums(_sums(values, length, 1), length, 1)
    inner = _sums(_sums(inner, length, line), length, line)
    return np.pad(inner, (len(values) - len(inner)) // 2)


def _smoothed(values: Flat, line: int) -> Flat:
    """Convolve with [1 2 1] / 4 along rows and columns."""
    smooth = _triangle(values, 2, line)
    smooth *= np.float32(1 / 16)
    return smooth


def _normals(values: Flat, line: int, missing: list[tuple[int, int]]) -> Normals:
    """Estimate the edge normals from second derivatives: atan(dyy sign(-dxy) / (dxx + 1e-5)).

    Derivatives are central differences without their factor 1/2, of values without the factor
    1/625 of the triangle filter; the constant is scaled instead.
    """
    smooth = _triangle(values, 5, line)
    _continue_lines(smooth.reshape(-1, line), missing)
    slope_x, slope_y = _difference(smooth, 1), _difference(smooth, line)
    x = _difference(slope_x, 1)
    x += np.float32(4 * 625 * 1e-5)
    y = _difference(slope_y, line)
    y *= np.sign(_difference(slope_y, 1))
    falling = x * y <= 0
    length = x * x
    length += y * y
    np.sqrt(length, out=length)
    np.maximum(length, np.float32(1e-30), out=length)
    return Normals(np.abs(x / length), np.abs(y / length), falling)


def _continue_lines(grid: Map, missing: list[tuple[int, int]]) -> None:
    """Set the frame's line next to a border of the image so that differences are one-sided."""
    for lines, (before, after) in zip((grid, grid.T), missing, strict=True):
        if before:
            lines[before - 1] = 2 * lines[before] - lines[before + 1]
        if after:
            lines[-after] = 2 * lines[-after - 1] - lines[-after - 2]


def _difference(values: Flat, step: int) -> Flat:
    """Subtract the value before from the value after, (N,) -> (N,); 0 at both ends."""
    difference = np.empty_like(values)
    difference[:step] = difference[-step:] = 0
    np.subtract(values[2 * step :], values[: -2 * step], out=difference[step:-step])
    return difference


def _highest_neighbour(values: Flat, normals: Normals, line: int) -> Flat:
    """Return the higher of the two values at a distance of one pixel along the normal, (N,)."""
    margin = line + 1

    def at(down: int, right: int) -> Flat:
        first = margin + down * line + right
        return values[first : first + len(values) - 2 * margin]

    x, y, falling = (part[margin:-margin] for part in normals)
    highest = np.zeros_like(values)
    sides = []
    for side in (1, -1):
        beside = at(0, side)
        ahead = np.where(falling, at(side, 0), at(-side, 0))
        corner = np.where(falling, at(side, side), at(-side, side))
        near, far = beside - at(0, 0), corner - ahead
        near *= x
        near += at(0, 0)
        far *= x
        far += ahead
        far -= near
        far *= y
        far += near
        sides.append(far)
    np.maximum(sides[0], sides[1], out=highest[margin:-margin])
    return highest


def _highest_sample(
    values: Flat, normals: Normals, line: int, at: NDArray[np.intp], distance: int
) -> Flat:
    """Return the higher of the two values at a distance along the normal, for some pixels."""
    x, y = normals.x[at] * distance, normals.y[at] * distance
    right, down = x.astype(np.intp), y.astype(np.intp)
    x -= right
    y -= down
    turn = np.where(normals.falling[at], line, -line)
    samples = []
    for side in (1, -1):
        corner = at + side * (right + down * turn)
        near = values[corner] * (1 - x) + values[corner + side] * x
        corner += side * turn
        far = values[corner] * (1 - x) + values[corner + side] * x
        samples.append(near * (1 - y) + far * y)
    highest: Flat = np.maximum(samples[0], samples[1])
    return highest


def _fade_border(values: Map, border_px: int) -> Map:
    """Scale the outer rows and columns by 0/b, 1/b, ... in place, with b = `border_px`."""
    for axis in (0, 1):
        lines = values if axis == 0 else values.T
        width = min(border_px, len(lines) // 2)
        for i in range(width):
            lines[i] *= np.float32(i / width)
            lines[-1 - i] *= np.float32(i / width)
    return values
