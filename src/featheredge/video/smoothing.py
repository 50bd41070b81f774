"""Temporal smoothing of maps: less flicker where nothing moves, no trails where something does.

Each map is averaged with the maps before it (a recursive, motion-adaptive filter). The weight of
the new map depends on how much the picture has changed around the pixel since the average was
formed: 1 where it has changed clearly, so that the new map is kept there, and `1 - strength` where
it has not. A cut between two scenes changes the picture everywhere, so nothing of the old scene
remains.

Shapes: `H W` pixels of the frame; `h w` of a small copy.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.box_filter import box_mean
from featheredge.errors import ArgumentError
from featheredge.resize import fit_inside, resize

_COPY_PX = 240
_RADIUS_PX = 2
#: Change of the mean luminance that counts as none, and from which it counts as motion; of 255.
_STILL, _MOVED = 1.5, 5.0


class Smoother:
    """Smooths the maps of consecutive frames."""

    def __init__(self, strength: float) -> None:
        """Start without any map.

        Args:
            strength: Weight of the earlier maps where the picture stands still, from 0 (off) to
                below 1.

        Raises:
            ArgumentError: `strength` is out of range.
        """
        if not 0 <= strength < 1:
            raise ArgumentError(f"strength is {strength}; expected from 0 to below 1")
        self._strength = np.float32(strength)
        self._map: NDArray[np.float32] | None = None
        self._luminance: NDArray[np.float64] | None = None

    def __call__(self, pixels: NDArray[np.uint8], map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the smoothed map of the next frame.

        Args:
            pixels: (H, W, 3) uint8 RGB, the frame.
            map: (H, W) float32 in [0, 1], its map.

        Returns:
            (H, W) float32 in [0, 1].
        """
        if self._strength == 0:
            return map
        luminance = _small_luminance(pixels)
        if self._map is None or self._luminance is None or self._map.shape != map.shape:
            self._map, self._luminance = map, luminance
            return map
        weight = self._weight(np.abs(luminance - self._luminance))
        self._luminance = self._luminance + weight * (luminance - self._luminance)
        self._map = self._map + resize(weight, *map.shape) * (map - self._map)
        return self._map

    def _weight(self, change: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the weight of the new map, (h, w), from the change of luminance around a pixel."""
        moved = np.clip((_spread(change) - _STILL) / (_MOVED - _STILL), 0, 1)
        return (1 - self._strength * (1 - moved)).astype(np.float32)


def _small_luminance(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return (h, w) luminance in [0, 255]; windows are averaged, so that noise counts little."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    small = resize(grey, *fit_inside(grey.shape[0], grey.shape[1], _COPY_PX))
    return box_mean(small.astype(np.float64), _RADIUS_PX)


def _spread(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the highest change in a 5x5 window: a map changes a little beyond what moves."""
    padded = np.pad(change, _RADIUS_PX, mode="edge")
    steps = range(2 * _RADIUS_PX + 1)
    rows = np.maximum.reduce([padded[step : step + len(change)] for step in steps])
    width = change.shape[1]
    spread: NDArray[np.float64] = np.maximum.reduce(
        [rows[:, step : step + width] for step in steps]
    )
    return spread
