"""Read ONNX files from elsewhere, and check them before a runtime sees them.

A check walks through the file's protobuf messages without building anything from them, so a
damaged or hostile file costs neither memory nor time. Field numbers are those of onnx.proto, IR
version 13.
"""

from collections.abc import Iterator
from pathlib import Path

from featheredge.errors import WeightsError

MAX_MEGABYTES = 1000
MIN_OPSET = 7
"""The oldest operator set that ONNX Runtime runs with certainty."""

_MAX_DEPTH = 64

#: Message -> number of a field -> the message in it. Other fields are skipped.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
    "opset": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def read_onnx_file(path: Path) -> bytes:
    """Read an ONNX file and check it.

    Raises:
        WeightsError: The file cannot be read, or `check_onnx` refuses it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_MEGABYTES * 1_000_000 + 1)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    except ValueError as error:  # a NUL character in the path
        raise WeightsError(f"{str(path)!r} is not a path: {error}") from error
    check_onnx(content, str(path))
    return content


def check_onnx(content: bytes, origin: str) -> None:
    """Refuse a file that is not a complete ONNX model of its own.

    Args:
        content: The content of the file.
        origin: Its name in messages.

    Raises:
        WeightsError: The file is too large, is not an ONNX model, is of an old operator set, or
            reads tensors from other files, which could be any on this machine.
    """
    if len(content) > MAX_MEGABYTES * 1_000_000:
        raise WeightsError(f"{origin}: over the limit of {MAX_MEGABYTES:,} MB for an .onnx file")
    try:
        opsets = dict(_walk(memoryview(content), origin))
    except (IndexError, ValueError) as error:
        reason = "it ends too early" if isinstance(error, IndexError) else error
        raise WeightsError(f"{origin}: not an .onnx file, or damaged: {reason}") from error
    version = opsets.get(b"", opsets.get(b"ai.onnx"))
    if version is None:
        raise WeightsError(f"{origin}: not an .onnx file, or damaged: it has no operator set")
    if version < MIN_OPSET:
        raise WeightsError(
            f"{origin}: uses operator set {version} of ONNX; expected at least {MIN_OPSET}: export "
            "the network again"
        )


def _walk(content: memoryview, origin: str) -> Iterator[tuple[bytes, int]]:
    """Yield the domain and version of every operator set; refuse external data."""
    waiting = [("model", content, 0)]
    while waiting:
        kind, message, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} levels of messages")
        if kind == "opset":
            yield _opset(message)
            continue
        inside = _INSIDE[kind]
        for number, value in _fields(message):
            if kind == "tensor" and (
                number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
            ):
                raise WeightsError(
                    f"{origin}: reads weights from another file; expected a single file: load it "
                    "with onnx.load and write it with onnx.save"
                )
            if number in inside and isinstance(value, memoryview):
                waiting.append((inside[number], value, depth + 1))


def _opset(message: memoryview) -> tuple[bytes, int]:
    domain, version = b"", 0
    for number, value in _fields(message):
        if number == _OPSET_DOMAIN and isinstance(value, memoryview):
            domain = bytes(value)
        elif number == _OPSET_VERSION and isinstance(value, int):
            version = value
    return domain, version


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field: an integer, or the bytes of anything else."""
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        wire, number = key & 7, key >> 3
        if wire == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == _BYTES:
            size, position = _varint(message, position)
        elif wire in (_FIXED_64, _FIXED_32):
            size = 8 if wire == _FIXED_64 else 4
        else:
            raise ValueError(f"a field of the unknown type {wire}")
        if number == 0 or size > end - position:
            raise ValueError("a field that is longer than its message")
        yield number, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return an integer of variable length, and the position after it."""
    value = message[position]
    if value < 0x80:
        return value, position + 1
    value &= 0x7F
    for shift in range(7, 70, 7):
        position += 1
        byte = message[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + 1
    raise ValueError("an integer of more than 10 bytes")
