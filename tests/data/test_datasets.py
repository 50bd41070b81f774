"""Pairs from BSDS500's layout and the endless stream of crops."""

import numpy as np
import pytest
import torch
from PIL import Image

from featheredge import bsds
from featheredge.data.augment import Augmentation
from featheredge.data.datasets import Crops, EdgePairs
from featheredge.errors import EvaluationError
from toys import outline, write_annotations, write_bsds


def test_labels_are_the_share_of_annotators(tmp_path):
    write_bsds(tmp_path, "train", 2)
    maps = [outline((40, 56), 5, 6, 30, 40), outline((40, 56), 5, 6, 30, 41)]
    write_annotations(tmp_path / "groundTruth/train/1.mat", [*maps, maps[0]])
    image, label = EdgePairs(tmp_path, ("train",))[1]
    assert image.shape == (3, 40, 56)
    assert label.shape == (1, 40, 56)
    expected = sum(m.astype(float) for m in [*maps, maps[0]]) / 3
    np.testing.assert_allclose(label[0], expected, atol=1 / 500)
    pixels = np.asarray(Image.open(tmp_path / "images/train/1.jpg")) / 255
    np.testing.assert_allclose(image.permute(1, 2, 0), pixels, atol=1e-6)


def test_splits_are_joined(tmp_path):
    write_bsds(write_bsds(tmp_path, "train", 3), "val", 2)
    assert len(EdgePairs(tmp_path, ("train", "val"))) == 5
    assert len(EdgePairs(tmp_path, ())) == 0


def test_missing_data_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"images/train"):
        EdgePairs(tmp_path, ("train",))
    write_bsds(tmp_path, "train", 3)
    (tmp_path / "groundTruth/train/2.mat").unlink()
    with pytest.raises(EvaluationError, match="the first is 2"):
        EdgePairs(tmp_path, ("train",))
    with pytest.raises(EvaluationError, match="'trian'"):
        EdgePairs(tmp_path, ("trian",))


def test_a_file_that_holds_no_annotation_is_named(tmp_path):
    path = tmp_path / "1.mat"
    path.write_bytes(b"no mat file")
    with pytest.raises(EvaluationError, match=str(path)):
        bsds.boundaries(path)


class Numbered(torch.utils.data.Dataset):
    """Pairs that say which one they are."""

    def __getitem__(self, index):
        return torch.full((3, 8, 8), index / 10), torch.zeros(1, 8, 8)


def crops(seed: int = 0) -> Crops:
    return Crops(Numbered(), 5, Augmentation(crop_px=8), seed)


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
    forwards = Crops(pairs, 4, how, 0)
    expected = [forwards[n] for n in range(12)]
    backwards = Crops(pairs, 4, how, 0)
    for n in (11, 0, 5, 5, 3):
        for ours, theirs in zip(backwards[n], expected[n], strict=True):
            assert torch.equal(ours, theirs)
