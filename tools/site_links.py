"""Hook of mkdocs: files of the repository that pages link to become files of the site.

A page may link to `../benchmarks/results/edges.json`, which works in the repository. In the site
the file is under `repository/`, so the hook rewrites the link and adds the file. If the file does
not exist, nothing is added and the strict build refuses the link.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "repository"
_LINK = re.compile(r"\]\(\.\./([^)#]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add every file outside docs/ that a page links to."""
    linked = {
        target
        for page in files.documentation_pages()
        for target in _LINK.findall(page.content_string)
        if (ROOT / target).is_file()
    }
    for target in sorted(linked):
        address = f"{FOLDER}/{target}"
        files.append(File.generated(config, address, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point these links to where the files are in the site."""
    return _LINK.sub(rf"]({FOLDER}/\1)", markdown)
