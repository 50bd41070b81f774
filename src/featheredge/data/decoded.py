"""Decoded pictures in a file: decoded once, then read by number, by any process.

Memory does not grow with the number of pictures, because only those of a batch are read. They are
read and not memory-mapped: mapped pages would count as memory of the process.

A set of pictures has a folder with `pictures.bin`, 8-bit arrays one after the other, and
`index.json`, which is written last: without it, the folder counts as empty.

Shapes: `H W` pixels of a picture; `C` channels of its label.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError, OutputError
from featheredge.files import replacing, sweep, write_json
from featheredge.run_folder import locked
from featheredge.text_files import read_json
from featheredge.timing import num_cores

#: A picture, (H, W, 3), and its label, (C, H, W).
Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]

#: Called with the number of decoded pictures and their total.
Progress = Callable[[int, int], None]

_PICTURES, _INDEX = "pictures.bin", "index.json"

#: Of the files; a change makes all folders count as out of date.
_FORMAT = 1

#: Pictures that are decoded before the next ones begin; it bounds memory.
_CHUNK = 64


@dataclass(frozen=True)
class Originals:
    """What a set of pictures is decoded from.

    Attributes:
        kind: What decides the arrays apart from the files.
        files: The files of each picture.
        read: Decodes a picture, by number.
    """

    kind: str
    files: list[tuple[Path, ...]]
    read: Callable[[int], Arrays]

    def name(self) -> str:
        """Hexadecimal digest of the kind and the paths."""
        paths = (str(path.absolute()) for path in self._paths())
        return _digest([self.kind, *paths])[:16]

    def state(self) -> str:
        """Hexadecimal digest that changes with the size or the time of any file."""
        found = (path.stat() for path in self._paths())
        return _digest(f"{file.st_size} {file.st_mtime_ns}" for file in found)

    def _paths(self) -> Iterator[Path]:
        return (path for files in self.files for path in files)


class DecodedPictures:
    """Pictures in a file; item `i` is the picture (H, W, 3) and the label (C, H, W), uint8."""

    def __init__(self, path: Path, shapes: NDArray[np.int64]) -> None:
        """Take the file of `decode`.

        Args:
            path: The file.
            shapes: H, W and C of every picture.
        """
        self._path, self._shapes = path, shapes
        sizes = _num_bytes(shapes)
        self._offsets = np.cumsum(sizes) - sizes

    def __getitem__(self, index: int) -> Arrays:
        height, width, channels = self._shapes[index].tolist()
        cells = height * width
        count, offset = cells * (3 + channels), int(self._offsets[index])
        try:
            values = np.fromfile(self._path, np.uint8, count, offset=offset)
        except OSError as cause:
            raise EvaluationError(f"{self._path}: vanished during the run") from cause
        if len(values) < count:
            raise EvaluationError(f"{self._path}: became shorter during the run")
        picture, label = values[: cells * 3], values[cells * 3 :]
        return picture.reshape(height, width, 3), label.reshape(channels, height, width)


def decode(originals: Originals, cache: Path, progress: Progress) -> DecodedPictures:
    """Open the decoded pictures of a set; decode them first if the cache does not hold them.

    Several processes may call it at once: one decodes, the others wait. If an original changed
    since it was decoded, all are decoded again, with a warning.

    Args:
        originals: The set.
        cache: Folder for any number of sets.
        progress: Called while pictures are decoded.

    Raises:
        ImageError, EvaluationError: An original cannot be read.
        OutputError: The cache cannot be written.
    """
    folder, state = cache / originals.name(), originals.state()
    found = _open(folder, state)
    if found is not None:
        return found
    try:
        with locked(folder, wait=True):
            found = _open(folder, state)
            if found is None:  # nobody decoded while this process waited
                _fill(folder, originals, state, progress)
                found = _open(folder, state)
    except OSError as cause:
        raise OutputError(
            f"{folder}: cannot write decoded pictures: {cause.strerror}; free some space, or set "
            "data.cache to another folder"
        ) from cause
    assert found is not None
    return found


def _open(folder: Path, state: str) -> DecodedPictures | None:
    """Open the pictures in a folder; None if they are incomplete or their originals changed."""
    index, path = _read_index(folder), folder / _PICTURES
    if index.get("format") != _FORMAT or index.get("originals") != state or not path.exists():
        return None
    shapes = np.array(index["shapes"], np.int64)
    if path.stat().st_size != _num_bytes(shapes).sum():
        return None
    return DecodedPictures(path, shapes)


def _read_index(folder: Path) -> dict[str, object]:
    path = folder / _INDEX
    if not path.exists():
        return {}
    index: dict[str, object] = read_json(path)
    return index


def _fill(folder: Path, originals: Originals, state: str, progress: Progress) -> None:
    """Decode all pictures into a folder."""
    if _read_index(folder).get("originals", state) != state:
        warnings.warn(
            f"{folder}: pictures or labels changed since they were decoded; decoding all again",
            stacklevel=4,
        )
    sweep(folder)
    (folder / _INDEX).unlink(missing_ok=True)
    count, shapes = len(originals.files), list[tuple[int, ...]]()
    with replacing(folder / _PICTURES) as temporary, temporary.open("wb") as file:
        for picture, label in _in_order(originals.read, count):
            file.write(np.ascontiguousarray(picture).data)
            file.write(np.ascontiguousarray(label).data)
            shapes.append((*picture.shape[:2], len(label)))
            progress(len(shapes), count)
    write_json(folder / _INDEX, {"format": _FORMAT, "originals": state, "shapes": shapes})


def _in_order(read: Callable[[int], Arrays], count: int) -> Iterator[Arrays]:
    """Decode pictures on all cores, a chunk at a time."""
    with ThreadPoolExecutor(num_cores()) as pool:
        for start in range(0, count, _CHUNK):
            yield from pool.map(read, range(start, min(start + _CHUNK, count)))


def _num_bytes(shapes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bytes of every picture with its label."""
    height, width, channels = shapes.T
    sizes: NDArray[np.int64] = height * width * (3 + channels)
    return sizes


def _digest(texts: Iterable[str]) -> str:
    content = hashlib.sha256()
    for text in texts:
        content.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return content.hexdigest()
