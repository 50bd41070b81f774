"""Export of the web page to a folder, for any static host."""

import sys
from pathlib import Path

from featheredge.errors import FeatheredgeError
from featheredge.server.page_files import export


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python tools/export_page.py FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    try:
        files = export(folder)
    except FeatheredgeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in files)
    print(f"{folder}: {len(files)} files, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
