"""Pairs of a picture and a label from BSDS500's layout and from stored maps."""

import numpy as np
import pytest
import torch
from PIL import Image

from featheredge.data.pairs import UNKNOWN, EdgePairs, TeacherPairs
from featheredge.datasets import bsds500
from featheredge.errors import EvaluationError
from featheredge.models.network import Logits
from featheredge.training.losses import EdgeLoss
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
        bsds500.boundaries(path)


def write_maps(folder, pictures, level: int = 77):
    folder.mkdir()
    for picture in pictures:
        width, height = Image.open(picture).size
        Image.new("L", (width, height), level).save(folder / f"{picture.stem}.png")
    return folder


def test_stored_maps_follow_the_annotators(tmp_path):
    write_bsds(tmp_path, "train", 2)
    maps = write_maps(tmp_path / "maps", (tmp_path / "images/train").glob("*.jpg"))
    alone, taught = EdgePairs(tmp_path, ("train",)), EdgePairs(tmp_path, ("train",), maps)
    for index in range(2):
        label = taught[index][1]
        assert torch.equal(label[:1], alone[index][1])
        assert torch.equal(label[1:], torch.full_like(label[1:], 77 / 255))


def test_pictures_without_annotators_have_only_the_teachers_map(tmp_path):
    write_bsds(tmp_path, "train", 3)
    pictures = sorted((tmp_path / "images/train").glob("*.jpg"))
    pairs = TeacherPairs(
        "edges", tmp_path / "images/train", write_maps(tmp_path / "maps", pictures[:2])
    )
    assert len(pairs) == 2
    image, label = pairs[1]
    assert label.shape == (2, *image.shape[1:])
    assert torch.equal(label[0], torch.full_like(label[0], UNKNOWN / 255))
    logits = Logits(torch.randn(1, 1, *image.shape[1:]), ())
    assert EdgeLoss()(logits, label[None, :1]) == 0, "unknown pixels must weigh nothing"


def test_maps_that_do_not_fit_are_named(tmp_path):
    write_bsds(tmp_path, "train", 2)
    folder = tmp_path / "images/train"
    with pytest.raises(EvaluationError, match="featheredge label"):
        TeacherPairs("edges", folder, tmp_path)
    maps = write_maps(tmp_path / "maps", folder.glob("*.jpg"))
    (folder / "1.jpg").unlink()
    with pytest.raises(EvaluationError, match="the first is 1"):
        TeacherPairs("edges", folder, maps)
    Image.new("L", (9, 8)).save(maps / "0.png")
    with pytest.raises(EvaluationError, match=r"0\.png: is 9x8, its picture 40x56"):
        EdgePairs(tmp_path, ("train",), maps)[0]
    (maps / "0.png").unlink()
    with pytest.raises(EvaluationError, match=r"0\.png"):
        EdgePairs(tmp_path, ("train",), maps)[0]
