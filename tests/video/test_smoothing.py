"""Smoothing: less flicker on a static scene, no trails behind what moves, nothing kept at a cut."""

import numpy as np
import pytest

from featheredge.errors import ArgumentError
from featheredge.video.smoothing import Smoother


def noisy(scene: np.ndarray, rng: np.random.Generator, sigma: float = 4) -> np.ndarray:
    """A frame of a grey scene with sensor noise: (H, W, 3) uint8."""
    noise = rng.normal(0, sigma, (*scene.shape, 3))
    return np.clip(scene[..., None] + noise, 0, 255).astype(np.uint8)


def scene(left: int) -> np.ndarray:
    grey = np.full((120, 160), 70.0)
    grey[40:80, left : left + 30] = 200
    return grey


def flickering(left: int, rng: np.random.Generator) -> np.ndarray:
    """The map of the square, with errors that differ from frame to frame."""
    truth = (scene(left) > 100).astype(np.float32)
    return np.clip(truth * 0.8 + 0.1 + rng.normal(0, 0.05, truth.shape), 0, 1).astype(np.float32)


def play(strength: float, lefts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Raw and smoothed maps, (frames, H, W)."""
    rng = np.random.default_rng(0)
    smoother = Smoother(strength)
    raw, smooth = [], []
    for left in lefts:
        frame, map = noisy(scene(left), rng), flickering(left, rng)
        raw.append(map)
        smooth.append(smoother(frame, map))
    return np.stack(raw), np.stack(smooth)


def flicker(maps: np.ndarray) -> float:
    return float(np.abs(np.diff(maps, axis=0)).mean())


def test_flicker_of_a_static_scene_falls():
    raw, smooth = play(0.7, [40] * 20)
    assert flicker(smooth[5:]) < 0.35 * flicker(raw[5:])
    assert smooth.dtype == np.float32
    assert smooth.min() >= 0
    assert smooth.max() <= 1


def test_a_moving_square_leaves_no_trail():
    lefts = list(range(10, 90, 4))
    truth = np.stack([(scene(left) > 100) * 0.8 + 0.1 for left in lefts])
    _, smooth = play(0.7, lefts)
    swept = np.zeros(truth.shape[1:], bool)
    swept[40:80, 10:120] = True
    error = np.abs(smooth - truth)[5:, swept].mean()
    trails, average = [], truth[0]
    for map in truth:  # the same weight without regard to motion
        average = 0.7 * average + 0.3 * map
        trails.append(average)
    trailing = np.abs(np.stack(trails) - truth)[5:, swept].mean()
    assert error < 0.05 < 0.5 * trailing


def test_nothing_of_the_old_scene_remains_after_a_cut():
    raw, _ = play(0.9, [10] * 8)
    rng = np.random.default_rng(1)
    smoother = Smoother(0.9)
    for map in raw:
        smoother(noisy(scene(10), rng), map)
    other = np.full((120, 160), 130.0)
    blank = np.zeros((120, 160), np.float32)
    np.testing.assert_allclose(smoother(noisy(other, rng), blank), 0, atol=1e-6)


def test_a_slow_change_is_followed():
    """The reference is smoothed like the map, so a drift below the threshold adds up."""
    smoother = Smoother(0.9)
    last = np.zeros((48, 64), np.float32)
    for step in range(60):
        pixels = np.full((48, 64, 3), 60 + step, np.uint8)
        last = smoother(pixels, np.full((48, 64), step / 60, np.float32))
    assert last.mean() > 0.9


def test_off_and_a_new_size_return_the_map_itself(noise):
    map = np.random.default_rng(0).random((48, 64), np.float32)
    assert Smoother(0)(noise(48, 64), map) is map
    smoother = Smoother(0.5)
    smoother(noise(24, 64), map[:24])
    assert smoother(noise(48, 64), map) is map


@pytest.mark.parametrize("strength", [-0.1, 1, float("nan")])
def test_strength_out_of_range(strength):
    with pytest.raises(ArgumentError, match="expected from 0 to below 1"):
        Smoother(strength)
