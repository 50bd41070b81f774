"""Input arguments of commands: files, folders and glob patterns, expanded to files."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from featheredge.errors import ImageError
from featheredge.image import IMAGE_SUFFIXES, refuse_url


@dataclass(frozen=True)
class Found:
    """An input file.

    Attributes:
        path: The file.
        folder: The file's folder, relative to the input folder or to the fixed part of the
            pattern; "." for an input that is a file.
    """

    path: Path
    folder: Path = Path()


def expand(text: str, skip: Path | None = None) -> list[Found]:
    """Find the files of one input argument.

    Args:
        text: A file, a folder (all images in it and in its sub-folders) or a glob pattern (`**`
            for any folders). Hidden files and folders are skipped.
        skip: A folder inside `text` whose files are not inputs, because it holds the outputs.

    Returns:
        The files, sorted. A path that does not exist is returned too: reading it gives the error.

    Raises:
        ImageError: A folder or pattern has no images, or `text` is a URL.
    """
    refuse_url(text)
    if os.path.isdir(text):  # noqa: PTH112 - pathlib raises an error if the name is too long
        root, kind = Path(text), "the folder has"
        files = _walk(root)
    elif os.path.lexists(text) or not glob.has_magic(text):
        return [Found(Path(text))]
    else:
        root, kind = _fixed_part(text), "the pattern matches"
        # Path.glob takes no absolute patterns before Python 3.13
        files = [Path(name) for name in glob.glob(text, recursive=True)]  # noqa: PTH207
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if skip is not None and _is_inside(skip, root):
        images = [file for file in images if not _is_inside(file, skip)]
    images = sorted(file for file in images if file.is_file())
    if not images:
        raise ImageError(f"{text}: {kind} no images ({' '.join(sorted(IMAGE_SUFFIXES))})")
    return [Found(file, file.parent.relative_to(root)) for file in images]


def _walk(root: Path) -> list[Path]:
    """Return all files below a folder; links to folders are not followed, which avoids loops."""
    files = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return files


def _is_inside(path: Path, folder: Path) -> bool:
    # Path.resolve raises an error for circular links.
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _fixed_part(pattern: str) -> Path:
    """Return the folders of a pattern before its first wildcard."""
    parts = Path(pattern).parts[:-1]
    fixed = [i for i, part in enumerate(parts) if glob.has_magic(part)]
    return Path(*parts[: fixed[0] if fixed else None])
