"""Atomic file writes: a reader sees the old file or the new one, never a part."""

import json
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from featheredge.address import Address, Place
from featheredge.file_lock import try_lock

#: Names of temporary files: ".", the file's name, ".", eight random characters, its suffix.
_TEMPORARY = re.compile(r"\..+(\.\w+)\.[0-9a-f]{8}\1")

#: Folders in which this process has written.
_swept: set[Path] = set()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    If the body raises, the temporary file is removed and `path` is left unchanged. If the process
    is killed, the next one that writes in the folder removes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent.absolute())
    held, temporary = _open_temporary(path)
    try:
        with held:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            if sys.platform != "win32":  # there, an open file cannot be renamed
                temporary.replace(path)
        if sys.platform == "win32":
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _open_temporary(path: Path) -> tuple[BinaryIO, Path]:
    """Create an empty temporary file beside `path` and lock it while it is open.

    The lock tells `sweep` that this process lives. A sweep by another thread or process can come
    between creation and lock and remove the file; then another one is created.
    """
    while True:
        # Cut, so that a long name does not get too long for the file system.
        name = f".{path.stem[:60]}{path.suffix}.{secrets.token_hex(4)}{path.suffix}"
        temporary = path.with_name(name)
        held = temporary.open("xb")  # "x": two writers never share a temporary file
        if _keep_from_sweep(held) and temporary.exists():
            return held, temporary
        held.close()


def _keep_from_sweep(file: BinaryIO) -> bool:
    """Lock a temporary file; return False if `sweep` has it and is about to remove it."""
    if sys.platform == "win32":  # an open file cannot be removed, and a locked one not written
        return True
    try:
        return try_lock(file)
    except OSError:  # a file system without locks, where `sweep` removes nothing
        return True


def _sweep_once(folder: Path) -> None:
    """Sweep a folder before the first file is written there; a folder can hold very many."""
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder, inside=False)


def is_temporary(path: Path) -> bool:
    """Return whether a file has the name of a temporary file of `replacing`."""
    return _TEMPORARY.fullmatch(path.name) is not None


def sweep(folder: Path, *, inside: bool = True) -> None:
    """Remove what `replacing` left behind in a folder when its process was killed.

    Files that a living process is writing stay.

    Args:
        folder: The folder; nothing happens if it does not exist.
        inside: Whether the folders inside are swept too.
    """
    for path in folder.glob("**/.*" if inside else ".*"):
        if is_temporary(path):
            with suppress(OSError), path.open("rb") as file:
                if sys.platform == "win32" or try_lock(file):
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
