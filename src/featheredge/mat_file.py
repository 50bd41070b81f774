"""Read MATLAB files with limits, in memory and in what they declare.

A few bytes of a .mat file can declare a cell array of 10^9 cells, which scipy allocates before it
finds that they are missing, and compressed parts can expand a thousandfold. So a walk through the
file checks every declared size against the bytes that are there.
"""

import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from featheredge.extras import require

MAX_MEGABYTES = 64
"""The largest file; decompressed parts may have four times as much."""

_MAX_EXPANDED = 4 * MAX_MEGABYTES * 1_000_000
_MAX_DEPTH = 32
_HEADER, _TAG = 128, 8
_COMPRESSED, _MATRIX = 15, 14
_CELL, _STRUCT, _OBJECT, _SPARSE = 1, 2, 3, 5
_TEXT, _LAST_NUMERIC = 4, 15


def read_mat(path: Path) -> dict[str, Any]:
    """Read the variables of a MATLAB file, version 4 or 5.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged, or larger than the limits; scipy may raise other errors too.
        MissingExtraError: scipy is not installed.
    """
    require("eval", f"reading {path.name}", "scipy")
    from scipy.io import loadmat

    with path.open("rb") as file:
        content = file.read(MAX_MEGABYTES * 1_000_000 + 1)
    if len(content) > MAX_MEGABYTES * 1_000_000:
        raise ValueError(f"larger than {MAX_MEGABYTES} MB")
    if 0 not in content[:4] and 2 not in content[124:126]:  # so scipy recognises version 5
        _check(content)  # it refuses version 7.3 and reads version 4 within the file's size
    file_like: Any = io.BytesIO(content)  # scipy's types name paths only
    variables: dict[str, Any] = loadmat(file_like)
    return variables


def _check(content: bytes) -> None:
    """Refuse declared sizes that the file cannot have."""
    order = {b"IM": "little", b"MI": "big"}.get(content[126:_HEADER])
    if order is None:
        raise ValueError("not a MATLAB file of version 5")
    expanded = 0
    for kind, data in _elements(memoryview(content)[_HEADER:], order):
        inner = data
        if kind == _COMPRESSED:
            stream = zlib.decompressobj()
            inner = memoryview(stream.decompress(data, _MAX_EXPANDED - expanded + 1))
            expanded += len(inner)
            if expanded > _MAX_EXPANDED:
                raise ValueError(f"expands to more than {_MAX_EXPANDED // 1_000_000} MB")
            parts = list(_elements(inner, order))
        else:
            parts = [(kind, data)]
        for part_kind, part in parts:
            if part_kind == _MATRIX:
                _check_matrix(part, order, 0)


def _check_matrix(data: memoryview, order: str, depth: int) -> None:
    """Refuse an array with more elements than its bytes can hold, and look into its cells."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"more than {_MAX_DEPTH} levels of cells and structures")
    parts = list(_elements(data, order))
    if len(parts) < 3 or len(parts[0][1]) < 4:
        return  # an empty cell, or damaged in a way that scipy finds
    flags = int.from_bytes(parts[0][1][:4], order)  # type: ignore[arg-type]
    kind = flags & 0xFF
    sizes = parts[1][1]
    dims = [
        int.from_bytes(sizes[i : i + 4], order, signed=True)  # type: ignore[arg-type]
        for i in range(0, len(sizes) - 3, 4)
    ]
    if min(dims, default=0) < 0 or len(dims) > 32:
        raise ValueError(f"an array of size {dims}")
    if kind in (_CELL, _STRUCT, _OBJECT):
        limit = len(data) // _TAG  # every cell has a tag at least
    elif kind == _TEXT or _SPARSE < kind <= _LAST_NUMERIC:
        limit = len(data)
    else:
        limit = None
    if limit is not None and math.prod(dims) > limit:
        raise ValueError(f"an array of size {dims} in {len(data)} bytes")
    for part_kind, part in parts[3:]:
        if part_kind == _MATRIX:
            _check_matrix(part, order, depth + 1)


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of the elements in a part of the file."""
    position = 0
    while position + _TAG <= len(data):
        first = int.from_bytes(data[position : position + 4], order)  # type: ignore[arg-type]
        if first >> 16:  # a small element: size, type and up to four bytes
            yield first & 0xFFFF, data[position + 4 : position + 4 + min(first >> 16, 4)]
            position += _TAG
            continue
        size = int.from_bytes(data[position + 4 : position + 8], order)  # type: ignore[arg-type]
        start = position + _TAG
        if size > len(data) - start:
            raise ValueError(f"an element of {size} bytes, of which {len(data) - start} are there")
        yield first, data[start : start + size]
        padded = size if first == _COMPRESSED else -(-size // _TAG) * _TAG
        position = start + padded
