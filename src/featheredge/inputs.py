"""What the inputs of a command stand for: files, folders with all inside them, glob patterns."""

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
        folder: Where it lies below the folder or pattern that it was found by; "." for a file
            that was named.
    """

    path: Path
    folder: Path = Path()


def expand(text: str, skip: Path | None = None) -> list[Found]:
    """Find the files that one input stands for.

    Args:
        text: A file; a folder, for the images in it and in its sub-folders; or a glob pattern
            (`**` for any folders). Hidden files and folders are left out.
        skip: A folder below `text` whose files are not inputs: the results of an earlier run.

    Returns:
        The files, sorted; a file that does not exist is returned as it is, to be reported in turn.

    Raises:
        ImageError: A folder or pattern has no images, or `text` is a URL.
    """
    refuse_url(text)
    if os.path.isdir(text):  # noqa: PTH112 - pathlib's raises for names that are too long
        root, kind = Path(text), "the folder holds"
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
    """All files below a folder; links to folders are not followed, so there are no loops."""
    files = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return files


def _is_inside(path: Path, folder: Path) -> bool:
    # Not Path.resolve, which raises for links that lead in circles.
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _fixed_part(pattern: str) -> Path:
    """The folders of a pattern up to its first wildcard."""
    parts = Path(pattern).parts[:-1]
    fixed = [i for i, part in enumerate(parts) if glob.has_magic(part)]
    return Path(*parts[: fixed[0] if fixed else None])
