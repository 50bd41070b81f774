"""The guided filter against its definition, window by window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featheredge import resize
from featheredge.box_filter import box_mean, box_sum
from featheredge.errors import ArgumentError
from featheredge.refine import refine


def windows(height: int, width: int, radius: int):
    for y in range(height):
        for x in range(width):
            yield (
                y,
                x,
                slice(max(y - radius, 0), y + radius + 1),
                slice(max(x - radius, 0), x + radius + 1),
            )


@settings(max_examples=30)
@given(height=st.integers(1, 12), width=st.integers(1, 12), radius=st.integers(1, 15))
def test_box_mean_is_the_mean_of_every_window(height, width, radius):
    values = np.random.default_rng(radius).random((2, height, width))
    means = box_mean(values, radius)
    for y, x, rows, columns in windows(height, width, radius):
        np.testing.assert_allclose(means[:, y, x], values[:, rows, columns].mean(axis=(1, 2)))


def test_sums_of_integers_are_exact(noise):
    values = noise(40, 30).transpose(2, 0, 1).astype(np.int32) * 255
    sums = box_sum(values, 6)
    for y, x, rows, columns in windows(40, 30, 6):
        assert (sums[:, y, x] == values[:, rows, columns].sum(axis=(1, 2))).all()


def test_the_mean_of_ones_is_exactly_1():
    assert (box_mean(np.ones((40, 50), np.float32), 15) == 1).all()


def by_definition(map: np.ndarray, guide: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """He and Sun: ridge regression in every window, coefficients averaged over the windows."""
    slopes, offsets = np.empty_like(map), np.empty_like(map)
    for y, x, rows, columns in windows(map.shape[0], map.shape[1], radius):
        i, p = guide[rows, columns].ravel(), map[rows, columns].ravel()
        system = np.array([[(i * i).mean() + eps, i.mean()], [i.mean(), 1]])
        slopes[y, x], offsets[y, x] = np.linalg.solve(system, [(i * p).mean(), p.mean()])
    filtered = np.empty_like(map)
    for y, x, rows, columns in windows(map.shape[0], map.shape[1], radius):
        slope, offset = slopes[rows, columns].mean(), offsets[rows, columns].mean()
        filtered[y, x] = slope * guide[y, x] + offset
    return filtered.clip(0, 1)


@pytest.mark.parametrize("eps", [1e-4, 1e-2])
@pytest.mark.parametrize("radius", [1, 3])
def test_a_small_picture_is_filtered_as_defined(radius, eps):
    random = np.random.default_rng(radius)
    grey = random.integers(0, 256, (14, 20), np.uint8)
    map = random.random((14, 20), np.float32)
    refined = refine(map, np.stack([grey] * 3, axis=2), radius=radius / 20, eps=eps)
    assert refined.dtype == np.float32
    expected = by_definition(map.astype(float), grey / 255, radius, eps)
    np.testing.assert_allclose(refined, expected, atol=1e-5)


def disc(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - side / 2 + 0.5
    return (y * y + x * x < (side / 3) ** 2).astype(np.float32)


def test_a_coarse_border_moves_to_the_pictures():
    mask = disc(480)
    image = np.repeat((60 + 120 * mask)[..., None], 3, axis=2).astype(np.uint8)
    coarse = disc(24)
    refined = refine(coarse, image)
    enlarged = resize.resize(coarse, 480, 480)
    wrong = [((map >= 0.5) != mask.astype(bool)).mean() for map in (enlarged, refined)]
    assert wrong[1] < 0.2 * wrong[0]


def test_a_fit_on_a_smaller_copy_is_nearly_the_same(noise):
    image = resize.resize(noise(12, 16), 240, 320)
    map = resize.resize((noise(12, 16, 1)[..., 0] / 255).astype(np.float32), 240, 320)
    exact, fast = (refine(map, image, radius=1 / 20, fit_px=px) for px in (320, 160))
    assert np.abs(exact - fast).mean() < 0.005


def test_strips_leave_no_seam(noise, monkeypatch):
    image, map = noise(90, 70), noise(9, 7)[..., 0].astype(np.float32) / 255
    whole = refine(map, image, fit_px=30)
    monkeypatch.setattr(resize, "_STRIP_PIXELS", 700)
    np.testing.assert_allclose(refine(map, image, fit_px=30), whole, atol=1e-5)


@settings(max_examples=25)
@given(height=st.integers(1, 40), width=st.integers(1, 40), level=st.sampled_from([0, 0.5, 1]))
def test_a_flat_map_stays_flat(height, width, level):
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    flat = np.full((height, width), level, np.float32)
    np.testing.assert_allclose(refine(flat, image), flat, atol=1e-5)


@pytest.mark.parametrize("argument", ["radius", "eps", "fit_px"])
def test_numbers_must_be_above_0(noise, argument):
    with pytest.raises(ArgumentError, match="above 0"):
        refine(np.zeros((4, 4), np.float32), noise(4, 4), **{argument: 0})
