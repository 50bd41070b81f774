"""Subject selection: drop small connected parts of a saliency map and fill small holes.

Parts are found on a small copy of the map, so that the time hardly depends on the image's size.

Shapes: `H W` pixels of the image; `h w` of the small copy; `R` runs of pixels in its rows.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError
from featheredge.pixel_values import check_unit
from featheredge.resize import fit_inside, resize

Subject = Literal["all", "largest"]

#: Longest side of the small copy, in pixels.
_COPY_PX = 320

#: Parts with an area below this share of the largest part's area are dropped.
MIN_SHARE = 0.05

#: Pixels are connected through values of at least this share of the threshold.
_CONNECTED = 0.5

#: Holes up to this share of the subject's area are filled.
_HOLE_SHARE = 0.004

#: How far a filled hole extends into its border, in pixels of the small copy.
_HOLE_BORDER_PX = 2


class Selected(NamedTuple):
    """A map of the subject only.

    Attributes:
        map: (H, W) float32 in [0, 1].
        num_kept: Number of parts that were kept.
        num_dropped: Number of dropped parts, counting only parts that reach the threshold.
    """

    map: NDArray[np.float32]
    num_kept: int
    num_dropped: int


def select_subject(
    map: NDArray[np.float32],
    threshold: float = 0.5,
    *,
    subject: Subject = "all",
    min_share: float = MIN_SHARE,
) -> Selected:
    """Keep the connected parts of a map that belong to the subject.

    A part is a connected set of pixels with at least half of the threshold. Its area counts the
    pixels at or above the threshold. Holes of up to 0.4 % of the subject's area are filled.

    Args:
        map: (H, W) float32 in [0, 1].
        threshold: Pixels at or above it are inside; above 0 and at most 1.
        subject: "largest" keeps only the largest part; "all" keeps every part whose area is at
            least `min_share` of the largest part's area.
        min_share: Minimum area of a part for `subject="all"`, in [0, 1].

    Raises:
        ArgumentError: A number is out of range, or `subject` is unknown.
        ImageError: The map has NaN or values outside [0, 1].
    """
    if not (0 < threshold <= 1 and 0 <= min_share <= 1):
        raise ArgumentError(
            f"threshold is {threshold} and min_share is {min_share}; expected a threshold above 0 "
            "and at most 1, and a min_share from 0 to 1"
        )
    if subject not in ("all", "largest"):
        raise ArgumentError(f"subject is {subject!r}; choose one of all, largest")
    check_unit(map, "the map")
    height, width = map.shape
    small = np.asarray(resize(map, *fit_inside(height, width, _COPY_PX)), np.float32)
    parts, count = label_parts(small >= _CONNECTED * threshold)
    areas = np.bincount(parts[small >= threshold], minlength=count + 1)
    areas[0] = 0
    if not areas.any():
        return Selected(map, 0, 0)
    kept = areas >= max(1, min_share * areas.max())
    if subject == "largest":
        kept = np.arange(count + 1) == areas.argmax()
    inside = _enlarge(kept[parts], map.shape)
    holes = _enlarge(_small_holes(small, kept[parts], threshold, areas[kept].sum()), map.shape)
    selected = np.where(holes, np.float32(1), np.where(inside, map, np.float32(0)))
    dropped = np.count_nonzero((areas > 0) & ~kept)
    return Selected(selected, int(kept.sum()), int(dropped))


def label_parts(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Label the connected parts of a mask, with 8 neighbours per pixel.

    Args:
        mask: (h, w) bool.

    Returns:
        (h, w) int32 labels, 0 outside and 1 ... n inside, and the number of parts n.
    """
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    stops = np.nonzero(steps == -1)[1]
    roots = _connected_runs(rows.tolist(), starts.tolist(), stops.tolist())
    numbers = {root: number for number, root in enumerate(dict.fromkeys(roots), start=1)}
    labels = np.zeros(mask.shape, np.int32)
    for row, start, stop, root in zip(rows, starts, stops, roots, strict=True):
        labels[row, start:stop] = numbers[root]
    return labels, len(numbers)


def _connected_runs(rows: list[int], starts: list[int], stops: list[int]) -> list[int]:
    """Return, for each of R runs in reading order, the first run that it is connected to."""
    parents = list(range(len(rows)))

    def root_of(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    above = 0
    for run, row in enumerate(rows):
        # A run above that ends before this one starts cannot touch later runs of this row either.
        while rows[above] < row - 1 or (rows[above] == row - 1 and stops[above] < starts[run]):
            above += 1
        touching = above
        while rows[touching] == row - 1 and starts[touching] <= stops[run]:
            first, second = sorted((root_of(touching), root_of(run)))
            parents[second] = first
            touching += 1
    return [root_of(run) for run in range(len(rows))]


def _small_holes(
    map: NDArray[np.float32], inside: NDArray[np.bool_], threshold: float, area: int
) -> NDArray[np.bool_]:
    """Return a (h, w) mask of the subject's small holes, extended into their borders."""
    outside = ~(inside & (map >= threshold))
    parts, count = label_parts(outside)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    fills = sizes <= _HOLE_SHARE * area
    fills[border] = False
    fills[0] = False
    holes = fills[parts]
    for _ in range(_HOLE_BORDER_PX):
        grown = np.pad(holes, 1)
        holes = (
            holes | grown[:-2, 1:-1] | grown[2:, 1:-1] | grown[1:-1, :-2] | grown[1:-1, 2:]
        ) & (inside | holes)
    return holes


def _enlarge(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Enlarge an (h, w) mask to the image's size by nearest neighbour."""
    rows, columns = (
        (np.arange(size) * small // size) for size, small in zip(shape, mask.shape, strict=True)
    )
    enlarged: NDArray[np.bool_] = mask[rows[:, None], columns]
    return enlarged
