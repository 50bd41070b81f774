"""Read JSON and TOML files, with limits that any file of this project keeps."""

import errno
import json
import tomllib
from pathlib import Path
from typing import Any

MAX_JSON_MEGABYTES = 64
MAX_TOML_KILOBYTES = 256


def read_json(path: Path) -> Any:
    """Read and parse a JSON file.

    Raises:
        OSError: The file cannot be read, or is larger than `MAX_JSON_MEGABYTES`.
        ValueError: It is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(_read(path, MAX_JSON_MEGABYTES * 1_000_000))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read and parse a TOML file.

    Raises:
        OSError: The file cannot be read, or is larger than `MAX_TOML_KILOBYTES`.
        ValueError: It is not TOML, or is nested too deeply.
    """
    try:
        return tomllib.loads(_read(path, MAX_TOML_KILOBYTES * 1000).decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return content
