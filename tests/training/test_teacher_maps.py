"""Stored maps: the teacher's own, kept apart from another teacher's, and learnt from."""

import numpy as np
import pytest
import torch
from PIL import Image

from featheredge import image
from featheredge.data.pairs import to_tensor
from featheredge.errors import ArgumentError, OutputError
from featheredge.training.teacher import Averaging, Teacher
from featheredge.training.teacher_maps import Selection, store_maps
from toys import toy_network, write_bsds


@pytest.fixture
def pictures(tmp_path):
    write_bsds(tmp_path / "bsds", "train", 3)
    return sorted((tmp_path / "bsds/images/train").glob("*.jpg"))


def test_a_stored_map_is_the_teachers_of_the_whole_picture(pictures, tmp_path):
    teacher = Teacher(toy_network(), Averaging(flip=True))
    store_maps([teacher], pictures, tmp_path / "maps")
    for picture in pictures:
        expected = teacher(to_tensor(image.load(picture))[None])[0, 0]
        stored = np.asarray(Image.open(tmp_path / "maps" / f"{picture.stem}.png")) / 255
        np.testing.assert_allclose(stored, expected, atol=0.51 / 255)


def test_only_what_is_missing_is_computed(pictures, tmp_path, monkeypatch):
    teacher, done = Teacher(toy_network()), []
    store_maps([teacher], pictures[:2], tmp_path / "maps")
    forward = teacher.forward
    monkeypatch.setattr(teacher, "forward", lambda x: done.append(x.shape) or forward(x))
    counted = []
    store_maps(
        [teacher], pictures, tmp_path / "maps", progress=lambda *count: counted.append(count)
    )
    assert len(done) == 1
    assert counted == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "other", [Teacher(toy_network(seed=1)), Teacher(toy_network(), Averaging(scales=(0.5,)))]
)
def test_maps_of_another_teacher_are_not_mixed_in(pictures, tmp_path, other):
    store_maps([Teacher(toy_network())], pictures[:1], tmp_path / "maps")
    with pytest.raises(OutputError, match=r"other teachers.*teacher\.json"):
        store_maps([other], pictures, tmp_path / "maps")


def test_pictures_of_one_name_are_refused(pictures, tmp_path):
    twin = tmp_path / "elsewhere" / pictures[0].name
    with pytest.raises(OutputError, match=r"elsewhere.*different folders"):
        store_maps([Teacher(toy_network())], [*pictures, twin], tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_labelling_leaves_the_caller_free_of_gradients(pictures, tmp_path):
    store_maps([Teacher(toy_network())], pictures[:1], tmp_path / "maps")
    assert torch.is_grad_enabled()


def test_several_teachers_are_averaged_with_their_weights(pictures, tmp_path):
    teachers = [Teacher(toy_network(seed)) for seed in (0, 1)]
    store_maps(teachers, pictures[:1], tmp_path / "maps", weights=(1, 3))
    pixels = to_tensor(image.load(pictures[0]))[None]
    first, second = (teacher(pixels)[0, 0] for teacher in teachers)
    stored = np.asarray(Image.open(tmp_path / "maps" / f"{pictures[0].stem}.png")) / 255
    np.testing.assert_allclose(stored, first / 4 + 3 * second / 4, atol=0.51 / 255)
    with pytest.raises(ArgumentError, match="1 weights for 2 teachers"):
        store_maps(teachers, pictures, tmp_path / "other", weights=(1,))


def test_pictures_that_teachers_do_not_agree_on_are_refused_once(pictures, tmp_path):
    teachers = [Teacher(toy_network(seed)) for seed in (0, 1)]
    pixels = [to_tensor(image.load(picture))[None] for picture in pictures]
    gaps = [(teachers[0](x) - teachers[1](x)).abs().mean().item() for x in pixels]
    selection = Selection(max_disagreement=sorted(gaps)[1])
    arguments = (teachers, pictures, tmp_path / "maps")
    assert store_maps(*arguments, selection=selection) == {"disagreement": 1}
    kept = {path.stem for path in (tmp_path / "maps").glob("*.png")}
    assert {picture.stem for picture in pictures} - kept == {pictures[int(np.argmax(gaps))].stem}
    assert store_maps(*arguments, selection=selection) == {"disagreement": 1}
    with pytest.raises(OutputError, match="selection"):
        store_maps(*arguments)


@pytest.mark.parametrize(
    ("mean", "reason"),
    [(0.05, "nothing seen"), (0.6, "unsure"), (0.95, None)],
)
def test_a_selection_says_why(mean, reason):
    map = torch.zeros(10, 10)
    map[:4] = mean
    assert Selection(min_object=0.1, max_unsure=0.5).refuse(map[None], map) == reason
    assert Selection().refuse(map[None], map) is None
