"""Pictures with masks: every layout is found, lists choose, and what does not fit is named."""

import numpy as np
import pytest
from PIL import Image

from featheredge.data.pairs import MaskPairs
from featheredge.datasets.mask_sets import LAYOUTS
from featheredge.errors import EvaluationError


def write_set(root, layout=LAYOUTS["plain"], ids=("a", "b", "c")):
    for folder in layout:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, id in enumerate(ids):
        picture = np.full((20, 30, 3), 40 * number, np.uint8)
        Image.fromarray(picture).save(root / layout.pictures / f"{id}.jpg", quality=95)
        mask = np.zeros((20, 30), np.uint8)
        mask[5:10, 6 : 12 + number] = 255
        Image.fromarray(mask).save(root / layout.masks / f"{id}.png")
    return root


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_found(tmp_path, name):
    pairs = MaskPairs(write_set(tmp_path, LAYOUTS[name]), ("all",))
    assert len(pairs) == 3
    for number in range(3):
        image, label = pairs[number]
        assert image.shape == (3, 20, 30)
        assert image.mean().item() == pytest.approx(40 * number / 255, abs=0.01)
        assert label.shape == (1, 20, 30)
        assert label.sum() == 5 * (6 + number)


def test_lists_choose_and_are_joined(tmp_path):
    write_set(tmp_path)
    (tmp_path / "train.txt").write_text("c\na\n")
    (tmp_path / "val.txt").write_text("b\n")
    assert len(MaskPairs(tmp_path, ("train",))) == 2
    assert len(MaskPairs(tmp_path, ("train", "val"))) == 3
    assert len(MaskPairs(tmp_path, ())) == 0
    first = MaskPairs(tmp_path, ("train",))[0]
    assert first[0].mean().item() == pytest.approx(80 / 255, abs=0.01)


def test_grey_masks_are_cut_in_the_middle(tmp_path):
    write_set(tmp_path, ids=("a",))
    Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)).save(tmp_path / "masks/a.png")
    Image.new("RGB", (4, 1)).save(tmp_path / "images/a.jpg")
    assert MaskPairs(tmp_path, ("all",))[0][1].tolist() == [[[0, 0, 1, 1]]]


def test_a_teachers_map_follows_the_mask(tmp_path):
    write_set(tmp_path, ids=("a",))
    (tmp_path / "maps").mkdir()
    Image.new("L", (30, 20), 51).save(tmp_path / "maps/a.png")
    _, label = MaskPairs(tmp_path, ("all",), tmp_path / "maps")[0]
    assert label.shape == (2, 20, 30)
    assert label[1].unique().tolist() == [pytest.approx(0.2)]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(EvaluationError, match=r"images \+ masks"):
        MaskPairs(tmp_path, ("all",))
    write_set(tmp_path)
    with pytest.raises(EvaluationError, match=r"train\.txt"):
        MaskPairs(tmp_path, ("train",))
    (tmp_path / "images/b.jpg").unlink()
    with pytest.raises(EvaluationError, match="b"):
        MaskPairs(tmp_path, ("all",))
    Image.new("L", (9, 8)).save(tmp_path / "masks/a.png")
    (tmp_path / "masks/b.png").unlink()
    with pytest.raises(EvaluationError, match=r"a\.png: is 9x8, its picture 30x20"):
        MaskPairs(tmp_path, ("all",))[0]
