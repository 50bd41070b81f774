"""Training crops: an endless, reproducible stream over a finite set of pairs.

Shapes: `C` channels of a label; `P` pixels of a side of the square crop.
"""

import random

from torch.utils.data import Dataset

from featheredge.data.augment import Augmentation, Draw, augment
from featheredge.data.collage import paste
from featheredge.data.pairs import Pair, Pairs


class Crops(Dataset[Pair]):
    """An endless, reproducible stream of augmented crops.

    Item `n` is image (3, P, P) and label (C, P, P), float32 in [0, 1]. It depends only on `seed`
    and `n`: each epoch visits every pair once, in its own random order, and each item has its own
    seed for augmentation. A run that stops after any step can therefore resume without any stored
    state of the data.
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
