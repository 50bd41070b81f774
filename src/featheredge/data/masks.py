"""Pairs of a picture and the mask of its salient object, from the layouts that such sets come in.

Shapes: H W pixels of a picture, C channels of a label (1, or 2 with a teacher's map).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from featheredge import image
from featheredge.data.datasets import Arrays, Decoded, read_map
from featheredge.errors import EvaluationError
from featheredge.metrics.sources import mask_files, pictures_of


class Layout(NamedTuple):
    """Where a data set keeps its pictures and masks, under the folder it is unpacked to."""

    pictures: str
    masks: str


#: The layouts that the published sets are distributed in; the first that is there is taken.
LAYOUTS: dict[str, Layout] = {
    "plain": Layout("images", "masks"),
    "DUTS-TR": Layout("DUTS-TR-Image", "DUTS-TR-Mask"),
    "DUTS-TE": Layout("DUTS-TE-Image", "DUTS-TE-Mask"),
    "ECSSD": Layout("images", "ground_truth_mask"),
    "PASCAL-S": Layout("datasets/imgs/pascal", "datasets/masks/pascal"),
    "DUT-OMRON": Layout("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
    "HKU-IS": Layout("imgs", "gt"),
    "MSRA10K": Layout("MSRA10K_Imgs_GT/Imgs", "MSRA10K_Imgs_GT/Imgs"),
}


def find_layout(root: Path) -> Layout:
    """The layout of the data set in `root`.

    Raises:
        EvaluationError: it has none of the known ones.
    """
    for layout in LAYOUTS.values():
        if (root / layout.pictures).is_dir() and (root / layout.masks).is_dir():
            return layout
    known = ", ".join(f"{lay.pictures} + {lay.masks}" for lay in LAYOUTS.values())
    raise EvaluationError(f"{root}: no pictures with masks; expected one of the layouts {known}")


class MaskPairs(Decoded):
    """Pictures with the mask of what stands out in them.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (C, H, W) float32: 1 inside.
    """

    def __init__(self, root: Path, splits: tuple[str, ...], maps: Path | None = None) -> None:
        """List the pictures.

        Args:
            root: a data set in one of `LAYOUTS`.
            splits: lists `SPLIT.txt` in `root` of one ID a line, joined; "all" is every mask.
            maps: folder with a teacher's map `ID.png` for each picture.

        Raises:
            EvaluationError: unknown layout, missing list, masks or pictures.
        """
        super().__init__()
        self._maps = maps
        self._masks: list[Path] = []
        if splits:
            layout = find_layout(root)
            for split in splits:
                everything = split == "all"
                self._masks += mask_files(
                    root / layout.masks if everything else root, None if everything else split
                )
            self._pictures = pictures_of(self._masks, root / layout.pictures)

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
            return pixels, mask[None]
        return pixels, np.stack([mask, read_map(self._maps / f"{path.stem}.png", pixels)])
