"""Atomic file writes: a reader sees the old file or the new one, never a part."""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Names of temporary files: ".", the file's name, ".", eight characters of mkstemp, its suffix.
_TEMPORARY = re.compile(r"\..+(\.\w+)\.[a-z0-9_]{8}\1")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    If the body raises, the temporary file is removed and `path` is left unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Cut, so that a long name does not get too long for the file system.
    prefix = f".{path.name[:60]}."
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
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


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes to a file with `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write a value to a file as JSON with `replacing`."""
    write_bytes(path, json.dumps(value, indent=1).encode() + b"\n")


def _umask() -> int:
    """Return the umask of the process: mkstemp ignores it and makes files only its owner reads."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
