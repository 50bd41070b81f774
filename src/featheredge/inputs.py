"""Input arguments of commands: files, folders, glob patterns and URLs, expanded and read."""

import glob
import io
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from featheredge.address import Address
from featheredge.errors import ImageError
from featheredge.image import IMAGE_SUFFIXES, refuse_url
from featheredge.url import Url, is_url

Source: TypeAlias = Path | Url | Address
"""Where a picture is read from."""


class PictureFile(io.BytesIO):
    """The content of an image file in memory, with the name that error messages show.

    Attributes:
        name: The path or the URL.
    """

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


@dataclass(frozen=True)
class Found:
    """An input file.

    Attributes:
        source: The file, the URL or the address.
        folder: The file's folder, relative to the input folder or to the fixed part of the
            pattern; "." for an input that is a file.
    """

    source: Source
    folder: Path = Path()


def read(source: Source, *, allow_private: bool = False) -> PictureFile:
    """Read an image file from the disk or another file system, or download it.

    Args:
        source: A path, an address or a URL.
        allow_private: Whether URLs may lead to addresses that are not public.

    Raises:
        ImageError: The file cannot be read or downloaded.
    """
    if isinstance(source, Url):
        from featheredge.download import fetch  # loads ssl, which other inputs do not need

        return PictureFile(fetch(source, allow_private=allow_private), str(source))
    try:
        return PictureFile(source.read_bytes(), str(source))
    except OSError as error:
        raise ImageError(f"{source}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the path
        raise ImageError(f"{str(source)!r} is not a path: {error}") from error


def expand(
    text: str,
    skip: Path | None = None,
    *,
    allow_urls: bool = False,
    suffixes: Collection[str] = IMAGE_SUFFIXES,
) -> list[Found]:
    """Find the files of one input argument.

    Args:
        text: A file, a folder (all images in it and in its sub-folders), a glob pattern (`**` for
            any folders) or a URL. Hidden files and folders are skipped.
        skip: A folder inside `text` whose files are not inputs, because it holds the outputs.
        allow_urls: Whether `text` may be a URL, which is not downloaded here.
        suffixes: The files of a folder or pattern that are taken.

    Returns:
        The files, sorted. A path that does not exist is returned too: reading it gives the error.

    Raises:
        ImageError: A folder or pattern has no images, or `text` is a URL that is not allowed.
    """
    if allow_urls and is_url(text):
        return [Found(Url(text))]
    refuse_url(text)
    if not is_folder_or_pattern(text):
        return [Found(Path(text))]
    found = list_images(text, skip, suffixes)
    if not found:
        kind = "the folder has" if _is_folder(text) else "the pattern matches"
        raise ImageError(f"{text}: {kind} no images ({' '.join(sorted(suffixes))})")
    return found


def is_folder_or_pattern(text: str) -> bool:
    """Return whether an input is a folder or a glob pattern, not a file."""
    return _is_folder(text) or (glob.has_magic(text) and not os.path.lexists(text))


def root_of(text: str) -> Path:
    """Return a folder itself, and the folders of a pattern before its first wildcard."""
    return Path(text) if _is_folder(text) else _fixed_part(text)


def list_images(
    text: str, skip: Path | None = None, suffixes: Collection[str] = IMAGE_SUFFIXES
) -> list[Found]:
    """List the images of a folder or pattern; the list may be empty.

    Args:
        text: A folder or a glob pattern.
        skip: A folder inside `text` that is left out.
        suffixes: The files that are listed, by the end of their names.

    Returns:
        The files, sorted.
    """
    root = root_of(text)
    if _is_folder(text):
        files = _walk(root)
    else:
        # Path.glob takes no absolute patterns before Python 3.13
        files = [Path(name) for name in glob.glob(text, recursive=True)]  # noqa: PTH207
    images = [file for file in files if file.suffix.lower() in suffixes]
    if skip is not None and _is_inside(skip, root):
        images = [file for file in images if not _is_inside(file, skip)]
    images = sorted(file for file in images if file.is_file())
    return [Found(file, file.parent.relative_to(root)) for file in images]


def _is_folder(text: str) -> bool:
    return os.path.isdir(text)  # noqa: PTH112 - pathlib raises an error if the name is too long


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
    parts = Path(pattern).parts[:-1]
    fixed = [i for i, part in enumerate(parts) if glob.has_magic(part)]
    return Path(*parts[: fixed[0] if fixed else None])
