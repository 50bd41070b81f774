"""The crops that a network trains on: an endless stream, each by its number.

Shapes: C channels of a label, P pixels of the square crop.
"""

import random

from torch.utils.data import Dataset

from featheredge.data.augment import Augmentation, Draw, augment
from featheredge.data.collage import paste
from featheredge.data.pairs import Pair, Pairs


class Crops(Dataset[Pair]):
    """An endless, reproducible stream of augmented crops over a finite set of pairs.

    Item `n` depends on `seed` and `n` alone: every pass visits each pair once in an order of
    its own, and the augmentation of item `n` has a seed of its own. A run that stops after any
    number of steps can therefore go on exactly where it was, without any state to keep.
    """

    def __init__(self, pairs: Pairs, how: Augmentation, seed: int) -> None:
        self._pairs, self._how, self._seed = pairs, how, seed
        self._epoch, self._order = -1, list[int]()

    def __getitem__(self, n: int) -> Pair:
        epoch, position = divmod(n, len(self._pairs))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._shuffle(epoch)
        picture, label = self._pairs[self._order[position]]
        own = random.Random(f"{self._seed}/{n}")
        crop = augment(picture, label, self._how, own.getrandbits(62))
        if own.random() >= self._how.collage:
            return crop
        other = self._pairs[own.randrange(len(self._pairs))]
        return paste(crop, other, Draw(own.getrandbits(62)))

    def _shuffle(self, epoch: int) -> list[int]:
        order = list(range(len(self._pairs)))
        random.Random(f"{self._seed}/order/{epoch}").shuffle(order)
        return order
