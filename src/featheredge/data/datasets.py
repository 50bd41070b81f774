"""Training data: pairs of a picture and what a network should find in it.

Shapes: H W pixels of a picture, P pixels of the square crop.
"""

import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from featheredge import bsds, image
from featheredge.data.augment import Augmentation, augment

Pair = tuple[Tensor, Tensor]


class EdgePairs(Dataset[Pair]):
    """BSDS500 pictures with the share of annotators who marked each pixel.

    Item `i` is image (3, H, W) float32 in [0, 1], RGB, and label (1, H, W) float32 in [0, 1].
    Decoded pictures stay in memory as 8-bit arrays: all 500 take about 300 MB.
    """

    def __init__(self, root: Path, splits: tuple[str, ...]) -> None:
        self.samples = [sample for split in splits for sample in bsds.samples(root, split)]
        self._decoded: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Pair:
        if index not in self._decoded:
            self._decoded[index] = self._read(index)
        pixels, shares = self._decoded[index]
        return to_tensor(pixels), torch.from_numpy(shares)[None].float() / 255

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        sample = self.samples[index]
        shares = bsds.consensus(bsds.boundaries(sample.annotations))
        return image.load(sample.image), np.rint(shares * 255).astype(np.uint8)


class Crops(Dataset[Pair]):
    """An endless, reproducible stream of augmented crops over a finite set of pairs.

    Item `n` depends on `seed` and `n` alone: every pass visits each pair once in an order of
    its own, and the augmentation of item `n` has a seed of its own. A run that stops after any
    number of steps can therefore go on exactly where it was, without any state to keep.
    """

    def __init__(self, pairs: Dataset[Pair], num_pairs: int, how: Augmentation, seed: int) -> None:
        self._pairs, self._num_pairs, self._how, self._seed = pairs, num_pairs, how, seed
        self._epoch, self._order = -1, list[int]()

    def __getitem__(self, n: int) -> Pair:
        epoch, position = divmod(n, self._num_pairs)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffle(epoch)
        picture, label = self._pairs[self._order[position]]
        draw_seed = random.Random(f"{self._seed}/{n}").getrandbits(62)
        return augment(picture, label, self._how, draw_seed)

    def _shuffle(self, epoch: int) -> list[int]:
        order = list(range(self._num_pairs))
        random.Random(f"{self._seed}/order/{epoch}").shuffle(order)
        return order


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 RGB -> (3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
