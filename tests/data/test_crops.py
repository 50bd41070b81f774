"""The endless stream of crops, and the sets of pairs that it runs over."""

import torch

from featheredge.data.augment import Augmentation
from featheredge.data.crops import Crops
from featheredge.data.pairs import ConcatPairs, EdgePairs
from toys import write_bsds


class Numbered:
    """Pairs that say which one they are."""

    def __init__(self, count: int = 5, first: int = 0):
        self.count, self.first = count, first

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.full((3, 8, 8), (self.first + index) / 10), torch.zeros(1, 8, 8)


def test_joined_pairs_come_as_often_as_is_said():
    pairs = ConcatPairs((Numbered(2), 3), (Numbered(3, first=2), 1))
    seen = [which(pairs[index]) for index in range(len(pairs))]
    assert sorted(seen) == [0, 0, 0, 1, 1, 1, 2, 3, 4]


def crops(seed: int = 0) -> Crops:
    return Crops(Numbered(), Augmentation(crop_px=8), seed)


def which(crop) -> int:
    return round(crop[0].mean().item() * 10)


def test_every_pass_sees_each_pair_once_in_an_order_of_its_own():
    stream = crops()
    passes = [[which(stream[5 * e + i]) for i in range(5)] for e in range(6)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in passes)
    assert len({tuple(order) for order in passes}) > 1
    assert [[which(crops(seed=1)[5 * e + i]) for i in range(5)] for e in range(6)] != passes


def test_a_crop_does_not_depend_on_what_was_read_before(tmp_path):
    pairs = EdgePairs(write_bsds(tmp_path, "train", 4), ("train",))
    how = Augmentation(crop_px=16, rotation_deg=20.0, brightness=0.1)
    forwards = Crops(pairs, how, 0)
    expected = [forwards[n] for n in range(12)]
    backwards = Crops(pairs, how, 0)
    for n in (11, 0, 5, 5, 3):
        for ours, theirs in zip(backwards[n], expected[n], strict=True):
            assert torch.equal(ours, theirs)
