"""Augmentation: what happens to the picture happens to the label."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featheredge.data.augment import Augmentation, augment

FULL = Augmentation(crop_px=24, flip=True, quarter_turns=True, rotation_deg=30.0, scale=(0.6, 1.7))


def smooth(height: int, width: int) -> torch.Tensor:
    """A picture whose every pixel is different and which changes slowly."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    planes = [0.5 + 0.4 * torch.sin(x / 7 + k) * torch.cos(y / (5 + k)) for k in range(3)]
    return torch.stack(planes).float()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_geometry_is_shared_by_picture_and_label(seed):
    picture = smooth(40, 50)
    image, label = augment(picture, picture[:1], FULL, seed)
    torch.testing.assert_close(image[:1], label, rtol=0, atol=1e-6)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25)
def test_flips_and_quarter_turns_only_move_pixels(seed):
    picture = torch.rand(3, 30, 26, generator=torch.Generator().manual_seed(seed))
    plain = replace(FULL, rotation_deg=0.0, scale=(1.0, 1.0))
    crop = augment(picture, picture[:1], plain, seed)[0]
    upright = [torch.rot90(crop, turns, (1, 2)) for turns in range(4)]
    candidates = [*upright, *(c.flip(2) for c in upright)]
    windows = picture.unfold(1, 24, 1).unfold(2, 24, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    nearest = min((windows - c).abs().amax((1, 2, 3)).min().item() for c in candidates)
    assert nearest < 1e-4


def test_all_eight_orientations_and_every_position_occur():
    picture = torch.zeros(3, 26, 26)
    picture[0] = torch.arange(26)[:, None] / 26
    picture[1] = torch.arange(26)[None] / 26
    plain = replace(FULL, rotation_deg=0.0, scale=(1.0, 1.0))
    seen, corners = set(), set()
    for seed in range(300):
        crop = augment(picture, picture[:1], plain, seed)[0]
        steps = [(crop[:2, 1, 0] - crop[:2, 0, 0]), (crop[:2, 0, 1] - crop[:2, 0, 0])]
        seen.add(tuple(np.sign(torch.cat(steps).round(decimals=4).numpy()).astype(int)))
        corners.add(tuple((crop[:2].amin((1, 2)) * 26).round().int().tolist()))
    assert len(seen) == 8
    assert corners == {(y, x) for y in range(3) for x in range(3)}


def test_scale_magnifies():
    picture = torch.zeros(3, 64, 64)
    picture[:, :, ::8] = 1.0
    double = Augmentation(crop_px=33, flip=False, scale=(2.0, 2.0))
    crop = augment(picture, picture[:1], double, seed=3)[1][0]
    lines = (crop.mean(0) > 0.9).nonzero().flatten()
    assert set(lines.diff().tolist()) == {16}


def test_a_crop_beyond_the_picture_is_filled_by_reflection():
    picture = smooth(10, 12) + 0.05
    image, label = augment(picture, torch.ones(1, 10, 12), FULL, seed=5)
    assert label.min() > 0.999
    assert image.min() > 0.05


def test_a_seed_is_the_whole_state():
    picture = torch.rand(3, 40, 50)
    colour = replace(FULL, brightness=0.2, contrast=0.2, saturation=0.2, hue_rad=0.2)
    torch.manual_seed(1)
    first = augment(picture, picture[:1], colour, seed=7)
    torch.manual_seed(2)
    again = augment(picture, picture[:1], colour, seed=7)
    other = augment(picture, picture[:1], colour, seed=8)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_colour_leaves_the_label_alone():
    picture = smooth(24, 24)
    still = Augmentation(crop_px=24, flip=False)
    loud = replace(still, brightness=0.3, contrast=0.3, saturation=0.5, hue_rad=math.pi / 4)
    image, label = augment(picture, picture[:1], loud, seed=0)
    torch.testing.assert_close(label, picture[:1], rtol=0, atol=1e-5)
    assert (image - picture).abs().max() > 0.05
    assert image.min() >= 0
    assert image.max() <= 1


@pytest.mark.parametrize("bad", [{"crop_px": 0}, {"rotation_deg": -1.0}, {"brightness": 1.5}])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        replace(FULL, **bad)


def test_a_whole_picture_is_squeezed_into_the_square():
    # A horizontal ramp stays a ramp from end to end, whatever the picture's shape.
    ramp = torch.linspace(0, 1, 90).expand(1, 40, 90)
    settings = Augmentation(crop_px=30, whole=True, flip=False)
    image, label = augment(ramp.repeat(3, 1, 1), ramp, settings, seed=3)
    assert image.shape == (3, 30, 30)
    expected = (torch.arange(30) * 3 + 1) / 89
    torch.testing.assert_close(label[0], expected.expand(30, 30), rtol=0, atol=0.02)
