"""Stored maps: the teacher's own, kept apart from another teacher's, and learnt from."""

import numpy as np
import pytest
import torch
from PIL import Image

from featheredge import image
from featheredge.data.pairs import to_tensor
from featheredge.errors import OutputError
from featheredge.training.teacher import Averaging, Teacher
from featheredge.training.teacher_maps import label
from toys import toy_network, write_bsds


@pytest.fixture
def pictures(tmp_path):
    write_bsds(tmp_path / "bsds", "train", 3)
    return sorted((tmp_path / "bsds/images/train").glob("*.jpg"))


def test_a_stored_map_is_the_teachers_of_the_whole_picture(pictures, tmp_path):
    teacher = Teacher(toy_network(), Averaging(flip=True))
    label(teacher, pictures, tmp_path / "maps")
    for picture in pictures:
        expected = teacher(to_tensor(image.load(picture))[None])[0, 0]
        stored = np.asarray(Image.open(tmp_path / "maps" / f"{picture.stem}.png")) / 255
        np.testing.assert_allclose(stored, expected, atol=0.51 / 255)


def test_only_what_is_missing_is_computed(pictures, tmp_path, monkeypatch):
    teacher, done = Teacher(toy_network()), []
    label(teacher, pictures[:2], tmp_path / "maps")
    forward = teacher.forward
    monkeypatch.setattr(teacher, "forward", lambda x: done.append(x.shape) or forward(x))
    counted = []
    label(teacher, pictures, tmp_path / "maps", lambda *count: counted.append(count))
    assert len(done) == 1
    assert counted == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "other", [Teacher(toy_network(seed=1)), Teacher(toy_network(), Averaging(scales=(0.5,)))]
)
def test_maps_of_another_teacher_are_not_mixed_in(pictures, tmp_path, other):
    label(Teacher(toy_network()), pictures[:1], tmp_path / "maps")
    with pytest.raises(OutputError, match=r"another teacher.*teacher\.json"):
        label(other, pictures, tmp_path / "maps")


def test_pictures_of_one_name_are_refused(pictures, tmp_path):
    twin = tmp_path / "elsewhere" / pictures[0].name
    with pytest.raises(OutputError, match=r"elsewhere.*different folders"):
        label(Teacher(toy_network()), [*pictures, twin], tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_labelling_leaves_the_caller_free_of_gradients(pictures, tmp_path):
    label(Teacher(toy_network()), pictures[:1], tmp_path / "maps")
    assert torch.is_grad_enabled()
