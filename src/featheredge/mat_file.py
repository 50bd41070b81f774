"""Read MATLAB files with limits, in memory and in what they declare.

A few bytes of a .mat file can declare a cell array of 10^9 cells, which scipy allocates before it
finds that they are missing; compressed parts can expand a thousandfold; and numbers of an unknown
type crash scipy. So a walk through the file checks every declared size and type against the bytes
that are there. It takes numbers, text, cells and structures, not objects and functions.
"""

import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from featheredge.extras import require

Order: TypeAlias = Literal["little", "big"]

MAX_MEGABYTES = 64
"""The largest file; decompressed parts may have four times as much."""

_MAX_EXPANDED = 4 * MAX_MEGABYTES * 1_000_000
_MAX_DEPTH = 32
_HEADER, _TAG = 128, 8
_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = frozenset([1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18])  # types of plain elements
_CELL, _STRUCT, _TEXT, _SPARSE, _LAST_NUMERIC = 1, 2, 4, 5, 15  # classes of arrays
_COMPLEX = 1 << 11


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
    orders: dict[bytes, Order] = {b"IM": "little", b"MI": "big"}
    order = orders.get(content[126:_HEADER])
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
        _refuse_types(parts, frozenset([_MATRIX]))
        for _, part in parts:
            _check_matrix(part, order, 0)


def _check_matrix(data: memoryview, order: Order, depth: int) -> None:
    """Refuse an array that declares more than its bytes hold, and look into its cells.

    scipy reads the elements of an array one after the other and ignores its size, so their number
    must be exactly what the class of the array asks for.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"more than {_MAX_DEPTH} levels of cells and structures")
    if not data:
        return  # an empty cell
    parts = list(_elements(data, order))
    if len(parts) < 3 or any(kind not in _NUMBERS for kind, _ in parts[:3]):
        raise ValueError("an array without a head")
    flags = (_integers(parts[0][1], order) or [0])[0]
    dims, kind = _integers(parts[1][1], order), flags & 0xFF
    if min(dims, default=-1) < 0 or len(dims) > 32:
        raise ValueError(f"an array of size {dims}")
    inside = parts[3:]
    cells = math.prod(dims)
    if kind == _STRUCT:
        cells *= _num_fields(inside[:2], order)
        inside = inside[2:]
    if kind in (_CELL, _STRUCT):
        _refuse_types(inside, frozenset([_MATRIX]))
        if len(inside) != cells:
            raise ValueError(f"an array of size {dims} with {len(inside)} values")
        for _, part in inside:
            _check_matrix(part, order, depth + 1)
        return
    if not _TEXT <= kind <= _LAST_NUMERIC:
        raise ValueError(
            f"an array of the class {kind}; only numbers, cells and structures are read"
        )
    _refuse_types(inside, _NUMBERS)
    num_parts = (3 if kind == _SPARSE else 1) + (flags & _COMPLEX > 0 and kind != _TEXT)
    if len(inside) != num_parts or (kind != _SPARSE and cells > len(data)):
        raise ValueError(f"an array of size {dims} in {len(data)} bytes")


def _num_fields(parts: list[tuple[int, memoryview]], order: Order) -> int:
    """Return the number of fields of a structure: the bytes of all names by those of one."""
    _refuse_types(parts, _NUMBERS)
    width = (_integers(parts[0][1], order) or [0])[0] if len(parts) == 2 else 0
    if width < 1:
        raise ValueError("an array of structures without names of fields")
    return len(parts[1][1]) // width


def _refuse_types(parts: list[tuple[int, memoryview]], allowed: frozenset[int]) -> None:
    for kind, _ in parts:
        if kind not in allowed:
            raise ValueError(f"an element of the type {kind}")


def _integers(data: memoryview, order: Order) -> list[int]:
    return [int.from_bytes(data[i : i + 4], order, signed=True) for i in range(0, len(data) - 3, 4)]


def _elements(data: memoryview, order: Order) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of the elements in a part of the file."""
    position = 0
    while position + _TAG <= len(data):
        first = int.from_bytes(data[position : position + 4], order)
        if first >> 16:  # a small element: size, type and up to four bytes
            if first & 0xFFFF not in _NUMBERS:
                raise ValueError(f"a small element of the type {first & 0xFFFF}")
            yield first & 0xFFFF, data[position + 4 : position + 4 + min(first >> 16, 4)]
            position += _TAG
            continue
        size = int.from_bytes(data[position + 4 : position + 8], order)
        start = position + _TAG
        if size > len(data) - start:
            raise ValueError(f"an element of {size} bytes, of which {len(data) - start} are there")
        yield first, data[start : start + size]
        padded = size if first == _COMPRESSED else -(-size // _TAG) * _TAG
        position = start + padded
