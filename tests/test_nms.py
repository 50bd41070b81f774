"""Suppression against a per-pixel twin written from the description, one loop at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve1d, gaussian_filter

from featheredge import nms
from featheredge.errors import ArgumentError, ImageError

RULES = {"hed": (True, 1), "rcf": (False, 2)}  # smooth first, reach in pixels


def triangle(values, radius):
    weights = np.array([radius + 1 - abs(i) for i in range(-radius, radius + 1)], float)
    for axis in (0, 1):
        values = convolve1d(values, weights / weights.sum(), axis=axis, mode="reflect")
    return values


def slow_suppress(edge_map, variant):
    """Float64, one pixel at a time; also how clear each decision was."""
    smooth, reach = RULES[variant]
    values = triangle(edge_map, 1) if smooth else edge_map.astype(float)
    coarse = triangle(values, 4)
    dy, dx = np.gradient(coarse)
    dxx, (dxy, dyy) = np.gradient(dx, axis=1), np.gradient(dy)[::-1]
    height, width = values.shape
    thin, clear = values.copy(), np.full(values.shape, np.inf)

    def sample(y, x):
        y, x = min(max(y, 0), height - 1.001), min(max(x, 0), width - 1.001)
        y0, x0 = int(y), int(x)
        b, a = y - y0, x - x0
        upper = values[y0, x0] * (1 - a) + values[y0, x0 + 1] * a
        lower = values[y0 + 1, x0] * (1 - a) + values[y0 + 1, x0 + 1] * a
        return upper * (1 - b) + lower * b

    for y in range(height):
        for x in range(width):
            sign = np.sign(-dxy[y, x])
            angle = math.atan(dyy[y, x] * sign / (dxx[y, x] + 1e-5)) % math.pi
            for step in [*range(-reach, 0), *range(1, reach + 1)]:
                side = sample(y + step * math.sin(angle), x + step * math.cos(angle))
                clear[y, x] = min(clear[y, x], abs(values[y, x] * 1.01 - side))
                if values[y, x] * 1.01 < side:
                    thin[y, x] = 0
    for i in range(min(5, height // 2)):
        thin[[i, -1 - i]] *= i / min(5, height // 2)
    for i in range(min(5, width // 2)):
        thin[:, [i, -1 - i]] *= i / min(5, width // 2)
    return thin, clear, np.abs(dxy)


def smooth_map(height, width, seed, sigma=1.5):
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), sigma)
    return ((field - field.min()) / np.ptp(field)).astype(np.float32)


@settings(max_examples=20)
@given(st.integers(3, 28), st.integers(3, 28), st.integers(0, 2**32 - 1), st.sampled_from([*RULES]))
def test_every_variant_equals_the_slow_twin(height, width, seed, variant):
    edge_map = smooth_map(height, width, seed)
    expected, clear, mixed = slow_suppress(edge_map, variant)
    found = nms.suppress(edge_map, variant)
    # float32 may decide otherwise only where float64 itself is at a loss: a tie between a pixel
    # and its side, or a mixed derivative so near 0 that its sign is rounding.
    sure = (clear > 1e-4) & (mixed > 1e-6)
    differs = np.abs(found - expected) > 1e-5
    assert not (differs & sure).any()
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_ridge_keeps_its_crest_and_nothing_else():
    rows, columns = np.mgrid[:61, :61]
    for tilt in (-0.3, 0.1, 1.2, 30):
        distance = ((rows - 30) - tilt * (columns - 30)) / np.hypot(1, tilt)
        ridge = np.exp(-(distance**2) / 8).astype(np.float32)
        found = nms.suppress(ridge, "rcf")[8:-8, 8:-8] > 0.02
        distance = np.abs(distance[8:-8, 8:-8])
        assert found[distance < 0.3].all()
        assert not found[distance > 1.5].any()


def test_an_exactly_horizontal_ridge_stays_thick_as_in_the_reference():
    # sign(0) is 0 in the published formula, so a mixed derivative of exactly 0 says "vertical".
    ridge = np.exp(-((np.arange(41)[:, None] - 20) ** 2) / 8) * np.ones((1, 60))
    assert (nms.suppress(ridge, "rcf")[10:30, 30] > 0).all()


@pytest.mark.parametrize("variant", [*nms.VARIANTS])
@pytest.mark.parametrize("shape", [(97, 31), (40, 200)])
def test_blocks_equal_the_whole_bit_for_bit(monkeypatch, variant, shape):
    edge_map = smooth_map(*shape, seed=3)
    whole = nms.suppress(edge_map, variant)
    for block_px in (13, 32, 64):
        monkeypatch.setattr(nms, "_BLOCK_PX", block_px)
        assert np.array_equal(nms.suppress(edge_map, variant), whole)


def test_none_returns_the_same_values_in_another_array():
    edge_map = smooth_map(6, 7, seed=0)
    found = nms.suppress(edge_map, "none")
    assert np.array_equal(found, edge_map)
    assert not np.shares_memory(found, edge_map)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
@pytest.mark.parametrize("variant", [*RULES])
def test_tiny_maps_pass(shape, variant):
    assert nms.suppress(np.full(shape, 0.5, np.float32), variant).shape == shape


def test_a_flat_map_fades_only_at_its_frame():
    found = nms.suppress(np.full((30, 30), 0.5, np.float32), "hed")
    assert (found[5:-5, 5:-5] == 0.5).all()
    assert (found[0] == 0).all()
    assert found[1, 15] == pytest.approx(0.1)


def test_errors_say_what_was_expected():
    with pytest.raises(ArgumentError, match=r"unknown variant 'canny'.*hed"):
        nms.suppress(np.zeros((4, 4)), "canny")
    with pytest.raises(ImageError, match=r"shape \(2, 3, 4\); expected \(H, W\)"):
        nms.suppress(np.zeros((2, 3, 4)))
