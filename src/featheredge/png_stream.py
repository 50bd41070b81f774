"""PNG files compressed by ISA-L: filter each row, then deflate, strip by strip.

ISA-L compresses several times faster than the zlib that Pillow uses. Pillow cannot use it, so the
file is put together here, after the PNG specification (third edition, sections 5, 7 and 9):
signature, header, one stream of filtered rows, end.

Shapes: `h` rows of one strip; `N` bytes of a row.
"""

import importlib
import struct
import zlib
from collections.abc import Iterator
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

isal_zlib: ModuleType | None
try:
    isal_zlib = importlib.import_module("isal.isal_zlib")
except ImportError:  # the extra "speed" is not installed, or has no wheel for this machine
    isal_zlib = None

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels -> grey, RGB, RGBA
_NONE, _SUB, _UP = 0, 1, 2
_LEVEL = 2
_STRIP_BYTES = 1 << 17


def available() -> bool:
    """Return whether ISA-L is installed."""
    return isal_zlib is not None


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels as a PNG file without metadata.

    Args:
        pixels: (H, W), (H, W, 3) RGB or (H, W, 4) RGBA uint8.

    Returns:
        The bytes of an 8-bit PNG.
    """
    assert isal_zlib is not None
    height, width = pixels.shape[:2]
    num_channels = pixels.size // (height * width)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[num_channels], 0, 0, 0)
    stream = isal_zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    parts = [stream.compress(strip) for strip in _filtered_strips(rows, num_channels)]
    data = b"".join([*parts, stream.flush()])
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", data), _chunk(b"IEND", b""))
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks])


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)])


def _filtered_strips(rows: NDArray[np.uint8], step: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the filtered rows of an image, a few at a time; `step` is the bytes of a pixel."""
    above = np.zeros((1, rows.shape[1]), np.uint8)
    num_rows = max(_STRIP_BYTES // rows.shape[1], 1)
    for top in range(0, len(rows), num_rows):
        strip = rows[top : top + num_rows]
        yield _filtered(strip, np.concatenate([above, strip[:-1]]), step)
        above = strip[-1:]


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Filter rows, each by the filter with the smallest sum of absolute differences.

    Args:
        rows: (h, N) uint8.
        above: (h, N) uint8, the row above each row.
        step: Bytes of a pixel.

    Returns:
        (h, 1 + N) uint8: the number of the filter before each row.
    """
    left = rows.copy()
    left[:, step:] -= rows[:, :-step]
    choices = {_UP: rows - above, _SUB: left, _NONE: rows}
    costs = np.stack([_distance_to_zero(choice) for choice in choices.values()])
    best = np.array([*choices], np.uint8)[costs.argmin(axis=0)]
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = best
    for kind, choice in choices.items():
        chosen = best == kind
        filtered[chosen, 1:] = choice[chosen]
    return filtered


def _distance_to_zero(differences: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Sum the absolute values of each row's bytes, taken as signed numbers."""
    magnitudes = np.abs(differences.view(np.int8)).view(np.uint8)
    sums: NDArray[np.uint32] = magnitudes.sum(axis=1, dtype=np.uint32)
    return sums
