"""Writing files so that a reader finds the old one or the new one, never a half."""

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
    """Give a temporary path beside `path`; on success flush it to disk and rename it onto `path`.

    When the body raises, the temporary file is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
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
    """Write `data` to `path` through `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` as JSON, through `replacing`."""
    write_bytes(path, json.dumps(value, indent=1).encode() + b"\n")


def _umask() -> int:
    """The process's umask; mkstemp ignores it and makes files nobody else can read."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
