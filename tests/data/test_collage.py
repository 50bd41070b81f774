"""Pasting one picture's object onto another."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featheredge.data.augment import Augmentation, Draw
from featheredge.data.collage import paste
from featheredge.data.crops import Crops

P = 48


def picture(value, height=P, width=P, box=None, channels=1):
    """An even picture and a mask that is 1 inside `box` (top, bottom, left, right)."""
    label = torch.zeros(channels, height, width)
    if box:
        top, bottom, left, right = box
        label[:, top:bottom, left:right] = 1
    return torch.full((3, height, width), value), label


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    data=st.data(),
    channels=st.integers(1, 2),
)
def test_what_is_pasted_is_where_the_label_says(seed, height, width, data, channels):
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = (
        data.draw(st.integers(top + 1, height)),
        data.draw(st.integers(left + 1, width)),
    )
    crop = picture(0.0, box=(2, 9, 3, 11), channels=channels)
    other = picture(1.0, height, width, (top, bottom, left, right), channels)
    image, label = paste(crop, other, Draw(seed))
    new = image[0] > 0
    assert new.any()
    torch.testing.assert_close(label, crop[1].maximum(new.float().expand_as(label)))
    rows, columns = new.any(1).sum(), new.any(0).sum()
    assert max(rows, columns) <= 0.6 * P + 1
    assert new.sum() == rows * columns, "a box stays a box"


def test_an_empty_mask_changes_nothing():
    crop = picture(0.2, box=(1, 5, 1, 5))
    assert paste(crop, picture(0.9), Draw(0)) is crop


def test_the_crop_that_was_given_is_left_alone():
    crop = picture(0.0)
    paste(crop, picture(1.0, box=(0, 20, 0, 20)), Draw(0))
    assert not crop[0].any()
    assert not crop[1].any()


def test_as_many_crops_as_the_recipe_says_get_an_object():
    pairs = [picture(0.0, box=(20, 22, 20, 22)), picture(0.0, box=(20, 22, 20, 22))]
    for share in (0.0, 0.4, 1.0):
        crops = Crops(pairs, Augmentation(crop_px=P, flip=False, collage=share), 3)
        more = sum(int(crops[n][1].sum() > 4) for n in range(300)) / 300
        assert abs(more - share) < 0.1


def test_crops_without_collage_are_what_they_were():
    pairs = [picture(0.3, 60, 70, (5, 20, 8, 30)), picture(0.7, 60, 70, (9, 33, 2, 40))]
    plain = Crops(pairs, Augmentation(crop_px=P), 7)
    mixed = Crops(pairs, Augmentation(crop_px=P, collage=0.5), 7)
    same = [torch.equal(plain[n][1], mixed[n][1]) for n in range(60)]
    assert any(same)
    assert not all(same)


def test_what_is_pasted_keeps_its_shape():
    for seed in range(20):
        other = picture(1.0, 80, 80, (10, 30, 10, 70))
        _, label = paste(picture(0.0), other, Draw(seed))
        rows, columns = label[0].any(1).sum().item(), label[0].any(0).sum().item()
        assert abs(columns - 3 * rows) <= 2
