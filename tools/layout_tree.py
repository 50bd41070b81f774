"""Generator of the layout tree in docs/design.md: a line for each file, from its docstring."""

import ast
from collections.abc import Iterator
from pathlib import Path

from page_block import ROOT, run

#: Folders that are shown, and whether their files are.
FOLDERS = {
    "src/featheredge": True,
    "tests": False,
    "benchmarks": True,
    "tools": True,
    "examples": False,
    "docs": False,
}

#: What a docstring cannot say.
NOTES = {
    "src/featheredge/weights": "The shipped networks, .onnx files",
    "src/featheredge/server/page": "The built web page; its sources are in page/",
    "src/featheredge/server/page/assets": "Scripts, style, WebAssembly; names hold a hash",
    "src/featheredge/recipes": "The shipped recipes, .toml files: one for each published number",
    "tests": "Mirrors src/; tests/docs runs every command of the documentation",
    "benchmarks/results": "What the scripts measured, .json files that the pages link to",
    "examples": "Two photos, a network of your own to prune, scripts for training on many machines",
    "docs": "These pages, their pictures, and one log for each training",
}


def main() -> None:
    run("layout_tree.py", "design.md", lambda: "```text\n" + "\n".join(_lines()) + "\n```")


def _lines() -> Iterator[str]:
    """Two columns: names as a tree, and what is in the file or folder."""
    rows = [row for folder, files in FOLDERS.items() for row in _rows(ROOT / folder, 0, files)]
    width = max(len(name) for name, _ in rows)
    for name, what in rows:
        yield f"{name:{width}}  {what}".rstrip()


def _rows(folder: Path, depth: int, files: bool) -> Iterator[tuple[str, str]]:
    name = folder.relative_to(ROOT).as_posix() if depth == 0 else folder.name
    yield f"{'  ' * depth}{name}/", _about(folder)
    inside = sorted(folder.iterdir()) if files else []
    for path in (path for path in inside if _is_folder(path)):
        yield from _rows(path, depth + 1, files)
    for path in (path for path in inside if path.suffix == ".py" and path.stem != "__init__"):
        yield f"{'  ' * (depth + 1)}{path.name}", _first_line(path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and path.name != "__pycache__"


def _about(folder: Path) -> str:
    note = NOTES.get(folder.relative_to(ROOT).as_posix())
    package = folder / "__init__.py"
    return note or (_first_line(package) if package.is_file() else "")


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


if __name__ == "__main__":
    main()
