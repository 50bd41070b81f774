"""Atomic file writes: a reader sees the old file or the new one, never a part."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from featheredge.address import Address, Place

#: Names of temporary files: ".", the file's name, ".", eight random characters, its suffix.
_TEMPORARY = re.compile(r"\..+(\.\w+)\.[a-z0-9_]{8}\1")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    If the body raises, the temporary file is removed and `path` is left unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Cut, so that a long name does not get too long for the file system.
    name = f".{path.name[:60]}.{secrets.token_hex(4)}{path.suffix}"
    temporary = path.with_name(name)
    # Made before it is written, with "x": two writers never share a temporary file.
    temporary.open("xb").close()
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what `replacing` leaves behind in a folder, and in those inside, when it is killed.

    Nothing else may be writing there.
    """
    for path in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink()


def write_bytes(path: Place, data: bytes) -> None:
    """Write bytes to a file with `replacing`, or to an address in one request."""
    if isinstance(path, Address):
        path.write_bytes(data)
        return
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write a value to a file as JSON with `replacing`."""
    write_bytes(path, json.dumps(value, indent=1).encode() + b"\n")
