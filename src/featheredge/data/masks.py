"""Pairs of a picture and the mask of its salient object, for training.

Shapes: H W pixels of a picture, C channels of a label (1, or 2 with a teacher's map).
"""

from pathlib import Path

import numpy as np

from featheredge import image
from featheredge.data.datasets import Arrays, Decoded, read_map
from featheredge.datasets.mask_sets import picture_folder, pictures_of, split_masks
from featheredge.errors import EvaluationError


class MaskPairs(Decoded):
    """Pictures with the mask of what stands out in them.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (C, H, W) float32: 1 inside.
    """

    def __init__(self, root: Path, splits: tuple[str, ...], maps: Path | None = None) -> None:
        """List the pictures.

        Args:
            root: a data set in one of `featheredge.datasets.mask_sets.LAYOUTS`.
            splits: lists `SPLIT.txt` in `root` of one ID a line, joined; "all" is every mask.
            maps: folder with a teacher's map `ID.png` for each picture.

        Raises:
            EvaluationError: no such list, or masks or pictures are missing.
        """
        super().__init__()
        self._maps = maps
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
            return pixels, mask[None]
        return pixels, np.stack([mask, read_map(self._maps / f"{path.stem}.png", pixels)])
