"""Inputs of a cluster: folders, patterns, addresses, and what is in tar and Parquet files."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from featheredge.address import Address, Place, place
from featheredge.cluster.packed import PACKED_SUFFIXES, inside, unpack
from featheredge.errors import ImageError
from featheredge.image import IMAGE_SUFFIXES
from featheredge.inputs import Found, expand
from featheredge.url import is_url

_SUFFIXES = IMAGE_SUFFIXES | PACKED_SUFFIXES
_NUM_LISTED_TOGETHER = 8


def find(inputs: Sequence[str], output: Place, *, allow_urls: bool = False) -> list[Found]:
    """List the pictures of all inputs, without duplicates.

    Args:
        inputs: Files, folders, glob patterns, and addresses of these. A Parquet file stands for
            the pictures or the paths in it, a tar file for the pictures in it.
        output: The folder of the outputs; files in it are no inputs.
        allow_urls: Whether inputs may be URLs.

    Returns:
        Absolute paths, because machines share no current folder, and addresses. Pictures of a
        packed file are in a folder of its name.

    Raises:
        ImageError: An input has no pictures, or cannot be listed.
    """
    files = [each for text in inputs for each in _files(text, output, allow_urls)]
    with ThreadPoolExecutor(_NUM_LISTED_TOGETHER) as threads:
        unpacked = threads.map(lambda each: _unpacked(each, allow_urls), files)
        return list({each.source: each for group in unpacked for each in group}.values())


def _files(text: str, output: Place, allow_urls: bool) -> Iterable[Found]:
    where = place(text)
    if isinstance(where, Address):
        return _at_address(where, output)
    skip = output if isinstance(output, Path) else None
    if not is_url(text):
        text = os.path.abspath(where)  # noqa: PTH100 - Path.absolute keeps "..", which names a file twice
    return expand(text, skip, allow_urls=allow_urls, suffixes=_SUFFIXES)


def _at_address(address: Address, output: Place) -> list[Found]:
    """List an address: one file, a folder or a pattern; sorted."""
    try:
        found = sorted(_listed(address, output), key=lambda each: str(each.source))
    except ImageError as error:
        raise ImageError(f"{address}: {error}") from error
    except OSError as error:
        raise ImageError(f"{address}: {error.strerror or error}") from error
    except Exception as error:  # the errors of file systems have no common class
        raise ImageError(f"{address}: cannot be listed: {error}") from error
    if not found:
        raise ImageError(f"{address}: no pictures there ({' '.join(sorted(_SUFFIXES))})")
    return found


def _listed(address: Address, output: Place) -> Iterator[Found]:
    system, path = address.file_system()
    is_pattern = glob.has_magic(path)
    root = PurePosixPath(*_fixed(PurePosixPath(path).parts)) if is_pattern else PurePosixPath(path)
    for name in system.glob(path) if is_pattern else system.find(path):
        file = PurePosixPath(name)
        source = Address(system.unstrip_protocol(name))
        below = file.relative_to(root) if file != root else PurePosixPath(file.name)
        is_hidden = any(part.startswith(".") for part in below.parts)
        is_output = str(source).startswith(f"{str(output).rstrip('/')}/")
        is_wanted = file.suffix.lower() in _SUFFIXES or file == root
        if is_wanted and not is_hidden and not is_output:
            yield Found(source, inside(below).parent)


def _fixed(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the folders of a pattern before its first wildcard."""
    wild = [number for number, part in enumerate(parts) if glob.has_magic(part)]
    return parts[: wild[0]]


def _unpacked(found: Found, allow_urls: bool) -> Iterable[Found]:
    """Return the pictures of a packed file; a picture stands for itself."""
    if not isinstance(found.source, Path | Address):
        return [found]
    if found.source.suffix.lower() not in PACKED_SUFFIXES:
        return [found]
    return unpack(found.source, found.folder, allow_urls=allow_urls)
