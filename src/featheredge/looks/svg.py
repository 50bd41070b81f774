"""Edge maps as vector graphics: an SVG file with one path for each contour.

Shapes: `H W` pixels of the map.
"""

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError
from featheredge.looks.contours import THRESHOLD, Contour, find_contours

MAX_KB = 300.0

_PAGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    'viewBox="0 0 {width} {height}">\n'
    "<desc>{about}</desc>\n"
    '<rect width="100%" height="100%" fill="{background}"/>\n'
    '<g fill="none" stroke="{stroke}" stroke-width="{line_px:.3g}" stroke-linecap="round" '
    'stroke-linejoin="round">\n{paths}</g>\n</svg>\n'
)


def contours_svg(
    map: NDArray[np.floating],
    threshold: float = THRESHOLD,
    *,
    tolerance_px: float | None = None,
    min_length_px: float | None = None,
    line_px: float | None = None,
    invert: bool = False,
    max_kb: float = MAX_KB,
) -> str:
    """Draw the contours of an edge map as SVG, black lines on white.

    Args:
        map: (H, W) floating point in [0, 1], the output of an edge network.
        threshold: Mean value that the map must have along a contour; above 0, at most 1.
        tolerance_px: Largest distance of a contour's polyline from its pixels; None grows with
            the picture, see `default_tolerance`.
        min_length_px: Shorter contours are dropped; None is a fiftieth of the longer side.
        line_px: Width of the lines; None is `default_line_px(H, W)`.
        invert: White lines on black.
        max_kb: If the file would be larger, in 1000 bytes, the shortest contours are left out.
            The file's description says how many.

    Returns:
        The text of an SVG file, with the size of the map in pixels and one path per contour.

    Raises:
        ArgumentError: A number is out of range.
        ImageError: The map is not two-dimensional or is empty.

    Example:
        >>> import featheredge as fe
        >>> from featheredge.looks import contours_svg
        >>> svg = contours_svg(fe.edges("examples/coffee.jpg"))
        >>> svg.startswith("<svg"), svg.count("<path") > 20
        (True, True)
    """
    if not (max_kb > 0 and (line_px is None or line_px > 0)):
        raise ArgumentError(f"max_kb is {max_kb} and line_px is {line_px}; expected above 0")
    contours = find_contours(map, threshold, tolerance_px=tolerance_px, min_length_px=min_length_px)
    height, width = map.shape
    paths = [f'<path d="{_path(contour)}"/>\n' for contour in contours]
    kept = _fitting(paths, max_kb * 1000 - len(_PAGE) - 100)
    return _PAGE.format(
        width=width,
        height=height,
        about=_about(len(paths), kept, max_kb),
        background="#000" if invert else "#fff",
        stroke="#fff" if invert else "#000",
        line_px=line_px or default_line_px(height, width),
        paths="".join(paths[:kept]),
    )


def default_line_px(height: int, width: int) -> float:
    """Return the width of lines that look alike on pictures of every size, in pixels."""
    return max(max(height, width) / 360, 1.0)


def _path(contour: Contour) -> str:
    """Write a contour as path data: tenths of a pixel, each point relative to the one before."""
    tenths = np.rint(contour.points * 10).astype(int)
    steps = np.diff(tenths, axis=0)[: -1 if contour.closed else None]
    start = " ".join(_tenth(value) for value in tenths[0])
    line = "".join(_number(value) for value in steps.ravel().tolist())
    return f"m{start}l{line.removeprefix(' ')}{'z' if contour.closed else ''}"


def _number(tenths: int) -> str:
    """Write a number so that it can follow another one: a space, or its sign."""
    text = _tenth(tenths)
    return text if text.startswith("-") else f" {text}"


def _tenth(tenths: int) -> str:
    """Write tenths in the fewest characters: 12 -> 1.2, 5 -> .5, 30 -> 3."""
    whole, rest = divmod(abs(tenths), 10)
    digits = f"{whole or ''}.{rest}" if rest else str(whole)
    return f"-{digits}" if tenths < 0 else digits


def _fitting(paths: list[str], most: float) -> int:
    """Return how many of the first paths have at most this many characters together."""
    sizes = np.cumsum([len(path) for path in paths])
    return int(np.searchsorted(sizes, most, side="right"))


def _about(found: int, kept: int, max_kb: float) -> str:
    about = f"{kept} contours"
    if kept < found:
        about += f"; the {found - kept} shortest are left out to keep the file under {max_kb:g} kB"
    return about
