"""Training pairs: a picture and its label.

The first channel of a label is the annotation. The second, if any, is a stored teacher map.

Shapes: `H W` pixels of a picture; `C` channels of a label (1, or 2 with a teacher map).
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featheredge import image
from featheredge.catalog import Task
from featheredge.data.decoded import Arrays, DecodedPictures, Originals, Progress, decode
from featheredge.datasets import bsds500
from featheredge.datasets.mask_sets import pictures_in, split_masks
from featheredge.errors import EvaluationError, ImageError

Pair = tuple[Tensor, Tensor]

#: Label value, of 255, for pixels without annotation. It is above 0 and below the threshold of
#: the loss, so that the pixel is neither edge nor background and has no weight.
UNKNOWN = 1

#: Maximum memory for the decoded pictures of one set of pairs.
KEPT_BYTES = 2 * 2**30


class Pairs(Protocol):
    """A finite sequence of pairs: image (3, H, W) and label (C, H, W), float32 in [0, 1]."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Pair: ...


class Decoded:
    """Pairs that stay in memory as 8-bit arrays after the first read, up to `KEPT_BYTES`.

    The 500 pictures of BSDS500 need about 300 MB, 10,000 pictures of 320 px need 4 GB. Pairs that
    do not fit are read again each time, which takes about 2 ms for a picture of 320 px. `keep_in`
    keeps them in a file instead, however many there are.
    """

    def __init__(self) -> None:
        self._arrays: dict[int, Arrays] = {}
        self._bytes = 0
        self._decoded: DecodedPictures | None = None

    def __getitem__(self, index: int) -> Pair:
        if self._decoded is not None:
            pixels, label = self._decoded[index]
        else:
            pixels, label = self._arrays.get(index) or self._read_and_keep(index)
        return to_tensor(pixels), torch.from_numpy(label).float() / 255

    def __len__(self) -> int:
        raise NotImplementedError

    def keep_in(self, cache: Path, progress: Progress = lambda done, total: None) -> None:
        """Decode all pairs into a file, unless it exists, and read them from there.

        Args:
            cache: Folder for the files of any number of sets of pairs.
            progress: Called while pictures are decoded.

        Raises:
            ImageError, EvaluationError: A picture or label cannot be read.
            OutputError: The cache cannot be written.
        """
        if len(self):
            files = [self._files(index) for index in range(len(self))]
            self._decoded = decode(Originals(self._kind(), files, self._read), cache, progress)

    def _read_and_keep(self, index: int) -> Arrays:
        arrays = self._read(index)
        size = sum(array.nbytes for array in arrays)
        if self._bytes + size <= KEPT_BYTES:
            self._arrays[index] = arrays
            self._bytes += size
        return arrays

    def _read(self, index: int) -> Arrays:
        """Read the picture, (H, W, 3) uint8, and the label, (C, H, W) uint8."""
        raise NotImplementedError

    def _files(self, index: int) -> tuple[Path, ...]:
        """Return the files that `_read` reads."""
        raise NotImplementedError

    def _kind(self) -> str:
        """Describe everything else that decides what `_read` returns."""
        return type(self).__name__


class EdgePairs(Decoded):
    """BSDS500 pictures with the share of annotators who marked each pixel.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (C, H, W) float32 in [0, 1].
    """

    def __init__(self, root: Path, splits: tuple[str, ...], maps: Path | None = None) -> None:
        """List the pictures.

        Args:
            root: BSDS500 in its published layout.
            splits: One or more of "train", "val" and "test".
            maps: Folder with a teacher map `ID.png` for each picture.

        Raises:
            EvaluationError: The data set is incomplete.
        """
        super().__init__()
        self.samples = [sample for split in splits for sample in bsds500.samples(root, split)]
        self._maps = maps

    def __len__(self) -> int:
        return len(self.samples)

    def _read(self, index: int) -> Arrays:
        picture, annotations, *maps = self._files(index)
        pixels = image.load(picture)
        shares = bsds500.consensus(bsds500.boundaries(annotations))
        # Rows first, as in a cache: sums over a label then round alike. .mat files store columns.
        label = np.rint(shares * 255).astype(np.uint8, order="C")[None]
        return pixels, np.concatenate([label, *(read_map(map, pixels)[None] for map in maps)])

    def _files(self, index: int) -> tuple[Path, ...]:
        sample = self.samples[index]
        maps = () if self._maps is None else (self._maps / f"{sample.id}.png",)
        return (sample.image, sample.annotations, *maps)


class MaskPairs(Decoded):
    """Pictures with masks of their salient objects.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (C, H, W) float32; 1 is inside.
    """

    def __init__(
        self,
        root: Path,
        splits: tuple[str, ...],
        maps: Path | None = None,
        *,
        taught_by_masks: bool = False,
    ) -> None:
        """List the pictures.

        Args:
            root: A data set in one of `featheredge.datasets.mask_sets.LAYOUTS`.
            splits: Names of lists `SPLIT.txt` in `root`, one ID per line; "all" selects all masks.
            maps: Folder with a teacher map `ID.png` for each picture.
            taught_by_masks: Whether to use the mask as the teacher map if `maps` is None.

        Raises:
            EvaluationError: A list, a mask or a picture is missing.
        """
        super().__init__()
        self._maps, self._taught_by_masks = maps, taught_by_masks
        self._masks = split_masks(root, splits)
        self._pictures = pictures_in(root, self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def _read(self, index: int) -> Arrays:
        picture, path, *maps = self._files(index)
        pixels = image.load(picture)
        mask = np.where(image.load(path)[..., 0] > 127, 255, 0).astype(np.uint8)
        if mask.shape != pixels.shape[:2]:
            raise EvaluationError(
                f"{path}: is {mask.shape[1]}x{mask.shape[0]}, its picture "
                f"{pixels.shape[1]}x{pixels.shape[0]}; expected a mask of the picture's size"
            )
        taught = [read_map(map, pixels) for map in maps]
        if self._taught_by_masks and not taught:
            taught = [mask]
        return pixels, np.stack([mask, *taught])

    def _files(self, index: int) -> tuple[Path, ...]:
        mask = self._masks[index]
        maps = () if self._maps is None else (self._maps / f"{mask.stem}.png",)
        return (self._pictures[mask.stem], mask, *maps)

    def _kind(self) -> str:
        return f"{type(self).__name__} {self._taught_by_masks}"


class TeacherPairs(Decoded):
    """Pictures without annotation, with the maps of a teacher.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (2, H, W): a replacement for the
    annotation, and the map. For edges, the replacement is `UNKNOWN`; for saliency, it is the map
    binarised at 1/2.
    """

    def __init__(self, task: Task, pictures: Path, maps: Path) -> None:
        """List every map `ID.png` in `maps` and its picture `ID.jpg` or `ID.png`.

        Args:
            task: What the maps show.
            pictures: The folder of the pictures.
            maps: The folder of the maps.

        Raises:
            EvaluationError: There are no maps, or the picture of a map is missing.
        """
        super().__init__()
        by_id = {path.stem: path for end in ("jpg", "png") for path in pictures.glob(f"*.{end}")}
        self._maps, self._task = sorted(maps.glob("*.png")), task
        if not self._maps:
            raise EvaluationError(f"{maps}: no maps ID.png; type `featheredge label` to make them")
        missing = [map.stem for map in self._maps if map.stem not in by_id]
        if missing:
            raise EvaluationError(
                f"{pictures}: no .jpg or .png for {len(missing)} of the maps in {maps}, the first "
                f"is {missing[0]}"
            )
        self._pictures = [by_id[map.stem] for map in self._maps]

    def __len__(self) -> int:
        return len(self._maps)

    def _read(self, index: int) -> Arrays:
        picture, path = self._files(index)
        pixels = image.load(picture)
        map = read_map(path, pixels)
        is_edges = self._task == "edges"
        label = np.full_like(map, UNKNOWN) if is_edges else np.where(map > 127, 255, 0)
        return pixels, np.stack([label.astype(np.uint8), map])

    def _files(self, index: int) -> tuple[Path, ...]:
        return (self._pictures[index], self._maps[index])

    def _kind(self) -> str:
        return f"{type(self).__name__} {self._task}"


class ConcatPairs:
    """Several sets of pairs in sequence, each repeated a given number of times."""

    def __init__(self, *parts: tuple[Pairs, int]) -> None:
        self._items = [
            (pairs, index) for pairs, times in parts for index in [*range(len(pairs))] * times
        ]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Pair:
        pairs, own = self._items[index]
        return pairs[own]


def annotated_pairs(
    task: Task,
    root: Path,
    splits: tuple[str, ...],
    maps: Path | None = None,
) -> EdgePairs | MaskPairs:
    """Return the annotated pictures of some splits, with teacher maps if there are any.

    Args:
        task: "edges" reads the layout of BSDS500, "saliency" the layouts of mask data sets.
        root: Folder of the data set.
        splits: One or more splits of the data set.
        maps: Folder with a teacher map `ID.png` for each picture.

    Raises:
        EvaluationError: The data set is incomplete.
    """
    kind = EdgePairs if task == "edges" else MaskPairs
    return kind(root, splits, maps)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """Convert (H, W, 3) uint8 RGB to (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def read_map(path: Path, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Read a stored map, (H, W) uint8.

    Args:
        path: The file of the map.
        pixels: (H, W, 3), its picture.

    Raises:
        EvaluationError: The map is missing, unreadable or of another size than its picture.
    """
    try:
        map: NDArray[np.uint8] = image.load(path)[..., 0]
    except ImageError as cause:
        raise EvaluationError(f"{path}: cannot read the map of this picture: {cause}") from cause
    if map.shape != pixels.shape[:2]:
        raise EvaluationError(
            f"{path}: is {map.shape[1]}x{map.shape[0]}, its picture "
            f"{pixels.shape[1]}x{pixels.shape[0]}; make the maps again from these pictures"
        )
    return map
