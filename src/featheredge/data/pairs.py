"""Training data: pairs of a picture and what a network should find in it.

A label is what annotators say; where a teacher's map was stored for the picture, that map follows
as a second channel.

Shapes: H W pixels of a picture, C channels of a label (1, or 2 with a teacher's map).
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featheredge import image
from featheredge.catalog import Task
from featheredge.datasets import bsds500
from featheredge.datasets.mask_sets import picture_folder, pictures_of, split_masks
from featheredge.errors import EvaluationError, ImageError

Pair = tuple[Tensor, Tensor]
Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]

#: Share of annotators, of 255, that stands for "nobody was asked". A share above 0 and below the
#: loss's threshold is neither edge nor background, so such a pixel weighs nothing.
UNKNOWN = 1

#: What one set of pairs keeps in memory.
KEPT_BYTES = 2 * 2**30


class Pairs(Protocol):
    """A finite number of pairs: image (3, H, W) float32 in [0, 1], RGB; label (C, H, W)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Pair: ...


class Decoded:
    """Pairs that are kept in memory as 8-bit arrays once they were read, up to `KEPT_BYTES`.

    Half a thousand pictures of BSDS500 take about 300 MB, ten thousand of 320 px 4 GB. What does
    not fit is read again each time, which takes about 2 ms for a picture of 320 px.
    """

    def __init__(self) -> None:
        self._arrays: dict[int, Arrays] = {}
        self._bytes = 0

    def __getitem__(self, index: int) -> Pair:
        pixels, label = self._arrays.get(index) or self._read_and_keep(index)
        return to_tensor(pixels), torch.from_numpy(label).float() / 255

    def _read_and_keep(self, index: int) -> Arrays:
        arrays = self._read(index)
        size = sum(array.nbytes for array in arrays)
        if self._bytes + size <= KEPT_BYTES:
            self._arrays[index] = arrays
            self._bytes += size
        return arrays

    def _read(self, index: int) -> Arrays:
        """(H, W, 3) and (C, H, W), uint8."""
        raise NotImplementedError


class EdgePairs(Decoded):
    """BSDS500 pictures with the share of annotators who marked each pixel.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (C, H, W) float32 in [0, 1].
    """

    def __init__(self, root: Path, splits: tuple[str, ...], maps: Path | None = None) -> None:
        """List the pictures.

        Args:
            root: BSDS500 in its own layout.
            splits: which parts, joined.
            maps: folder with a teacher's map `ID.png` for each picture.

        Raises:
            EvaluationError: the data set is not complete.
        """
        super().__init__()
        self.samples = [sample for split in splits for sample in bsds500.samples(root, split)]
        self._maps = maps

    def __len__(self) -> int:
        return len(self.samples)

    def _read(self, index: int) -> Arrays:
        sample = self.samples[index]
        pixels = image.load(sample.image)
        shares = bsds500.consensus(bsds500.boundaries(sample.annotations))
        label = np.rint(shares * 255).astype(np.uint8)[None]
        if self._maps is not None:
            map = read_map(self._maps / f"{sample.id}.png", pixels)
            label = np.concatenate([label, map[None]])
        return pixels, label


class MaskPairs(Decoded):
    """Pictures with the mask of what stands out in them.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (C, H, W) float32: 1 inside.
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
            root: a data set in one of `featheredge.datasets.mask_sets.LAYOUTS`.
            splits: lists `SPLIT.txt` in `root` of one ID a line, joined; "all" is every mask.
            maps: folder with a teacher's map `ID.png` for each picture.
            taught_by_masks: whether, without `maps`, the mask itself stands for the teacher's.

        Raises:
            EvaluationError: no such list, or masks or pictures are missing.
        """
        super().__init__()
        self._maps, self._taught_by_masks = maps, taught_by_masks
        self._masks = split_masks(root, splits)
        self._pictures = pictures_of(self._masks, picture_folder(root) or root)

    def __len__(self) -> int:
        return len(self._masks)

    def _read(self, index: int) -> Arrays:
        path = self._masks[index]
        pixels = image.load(self._pictures[path.stem])
        mask = np.where(image.load(path)[..., 0] > 127, 255, 0).astype(np.uint8)
        if mask.shape != pixels.shape[:2]:
            raise EvaluationError(
                f"{path}: is {mask.shape[1]}x{mask.shape[0]}, its picture "
                f"{pixels.shape[1]}x{pixels.shape[0]}; expected a mask as large as the picture"
            )
        if self._maps is None:
            return pixels, np.stack([mask, mask]) if self._taught_by_masks else mask[None]
        return pixels, np.stack([mask, read_map(self._maps / f"{path.stem}.png", pixels)])


class TeacherPairs(Decoded):
    """Pictures that no annotator saw, with a teacher's maps of them.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (2, H, W): what stands for the
    annotators' label, and the map. Of edges that is unknown; of masks it is where the map is above
    a half.
    """

    def __init__(self, task: Task, pictures: Path, maps: Path) -> None:
        """List every map `ID.png` in `maps` and the picture `ID.jpg` or `ID.png` it is of.

        Args:
            task: What the maps are of.
            pictures: The folder of the pictures.
            maps: The folder of the maps.

        Raises:
            EvaluationError: there is no map, or the picture of one is missing.
        """
        super().__init__()
        there = {path.stem: path for end in ("jpg", "png") for path in pictures.glob(f"*.{end}")}
        self._maps, self._task = sorted(maps.glob("*.png")), task
        if not self._maps:
            raise EvaluationError(f"{maps}: holds no map ID.png; `featheredge label` writes them")
        missing = [map.stem for map in self._maps if map.stem not in there]
        if missing:
            raise EvaluationError(
                f"{pictures}: no .jpg or .png for {len(missing)} of the maps in {maps}, the first "
                f"is {missing[0]}"
            )
        self._pictures = [there[map.stem] for map in self._maps]

    def __len__(self) -> int:
        return len(self._maps)

    def _read(self, index: int) -> Arrays:
        pixels = image.load(self._pictures[index])
        map = read_map(self._maps[index], pixels)
        is_edges = self._task == "edges"
        label = np.full_like(map, UNKNOWN) if is_edges else np.where(map > 127, 255, 0)
        return pixels, np.stack([label.astype(np.uint8), map])


class ConcatPairs:
    """Several sets of pairs one after another, each as often as is said."""

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
) -> Pairs:
    """Pictures of these splits that people annotated, with a teacher's maps if there are any.

    Args:
        task: "edges" reads BSDS500's layout, "saliency" those of masks.
        root: the data set.
        splits: which parts, joined.
        maps: folder with a teacher's map `ID.png` for each picture.

    Raises:
        EvaluationError: the data set is not complete.
    """
    kind = EdgePairs if task == "edges" else MaskPairs
    return kind(root, splits, maps)


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 RGB -> (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def read_map(path: Path, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A stored map, (H, W) uint8, as large as the picture (H, W, 3) it is of.

    Raises:
        EvaluationError: it is missing, unreadable or of another size.
    """
    try:
        map: NDArray[np.uint8] = image.load(path)[..., 0]
    except ImageError as cause:
        raise EvaluationError(f"{path}: no map of this picture: {cause}") from cause
    if map.shape != pixels.shape[:2]:
        raise EvaluationError(
            f"{path}: is {map.shape[1]}x{map.shape[0]}, its picture "
            f"{pixels.shape[1]}x{pixels.shape[0]}; make the maps anew from these pictures"
        )
    return map
