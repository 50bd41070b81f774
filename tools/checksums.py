"""Checksums of the package's weights and of the files that the server sends to browsers.

    python tools/checksums.py --write    # writes src/featheredge/SHA256SUMS; --check compares

`sha256sum --check SHA256SUMS` in the folder of an installed package compares its files with the
list. For all other files, `pip` has the list in the wheel.
"""

import argparse
import hashlib
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "featheredge"
SUMS = PACKAGE / "SHA256SUMS"
FOLDERS = ("weights", "server/page", "server/reference")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file")
    parser.add_argument("--check", action="store_true", help="fail if the file has other sums")
    options = parser.parse_args()
    sums = checksums()
    if options.write:
        SUMS.write_text(sums, "utf-8")
    elif options.check and (not SUMS.is_file() or SUMS.read_text("utf-8") != sums):
        sys.exit(f"{SUMS} has other sums: run python tools/checksums.py --write")
    elif not options.check:
        print(sums, end="")


def checksums() -> str:
    """Return a line `sum  path` for every file of the folders, as `sha256sum` prints them."""
    files = sorted(path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.*"))
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(PACKAGE).as_posix()}"
        for path in files
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
