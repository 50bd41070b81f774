"""`SaliencyProtocol`: the two conventions of published saliency scores, named in every score.

Shapes: `L` the 256 levels of an 8-bit map.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError

NUM_LEVELS = 256
MASK_THRESHOLD = 127
BETA_SQ = 0.3  # Achanta et al., "Frequency-tuned salient region detection", CVPR 2009
_WORDS = {
    "pysod": (
        "every map stretched to its own minimum and maximum, thresholds map >= i/255, "
        "F of each image first, then their mean, MAE against the binary mask"
    ),
    "salmetric": (
        "maps as they are, thresholds map > i/255, precision and recall averaged over images "
        "before F, MAE against the grey mask"
    ),
}


@dataclass(frozen=True)
class Scale:
    """The values of the levels of one map.

    Attributes:
        steps: (L,) int64; level l has the value `steps[l] / num_steps` in [0, 1].
        num_steps: Number of steps from 0 to 1.
        bins: (L,) int64 in 0..255; the numbers that are compared with thresholds.
    """

    steps: NDArray[np.int64]
    num_steps: int
    bins: NDArray[np.int64]

    @property
    def values(self) -> NDArray[np.float64]:
        """(L,) float64 in [0, 1]."""
        return self.steps / self.num_steps


@dataclass(frozen=True)
class SaliencyProtocol:
    """Conventions of saliency scores.

    Attributes:
        name: `pysod`, the conventions of PySODMetrics 1.6.2, or `salmetric`, those of the tool of
            that name, which CSNet and PoolNet use.

    Raises:
        EvaluationError: The name is unknown.
    """

    name: str = "pysod"

    def __post_init__(self) -> None:
        if self.name not in _WORDS:
            raise EvaluationError(
                f"unknown protocol {self.name!r}; choose one of {', '.join(_WORDS)}"
            )

    @property
    def stretches(self) -> bool:
        """Whether every map is stretched to its own minimum and maximum before scoring."""
        return self.name == "pysod"

    @property
    def averages_rates(self) -> bool:
        """Whether F is computed from mean precision and recall, not averaged over images."""
        return self.name == "salmetric"

    def describe(self) -> str:
        """Return the conventions in words; every printed score comes with them."""
        return (
            f"Protocol {self.name}: {_WORDS[self.name]}; {NUM_LEVELS} thresholds, "
            f"beta^2 {BETA_SQ:g}, salient where mask > {MASK_THRESHOLD}"
        )

    def to_dict(self) -> dict[str, str | int | float | bool]:
        """Return the conventions by name, ready for JSON."""
        return {
            "name": self.name,
            "maps_stretched": self.stretches,
            "thresholds": NUM_LEVELS,
            "beta_sq": BETA_SQ,
            "mask_threshold": MASK_THRESHOLD,
        }

    def scale(self, lowest: int, highest: int) -> Scale:
        """Return the values of a map's levels. A map of a single level is never stretched.

        Args:
            lowest: The lowest level in the map, 0..255.
            highest: The highest level in the map, 0..255.
        """
        steps = np.arange(NUM_LEVELS)
        if not self.stretches or lowest == highest:
            return Scale(steps, NUM_LEVELS - 1, steps)
        # Truncate float64 to 8 bits, as PySODMetrics does: rounding sometimes makes the result one
        # less than the level, and that changes the score.
        unit = steps / 255
        stretched = (unit - lowest / 255) / (highest / 255 - lowest / 255)
        bins = (stretched.clip(0, 1) * 255).astype(np.int64)
        return Scale((steps - lowest).clip(0, highest - lowest), highest - lowest, bins)

    def at_thresholds(self, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the predicted pixels at every threshold.

        Args:
            histogram: (..., L) number of pixels in each bin.

        Returns:
            (..., L), thresholds ascending.
        """
        at_least = np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]
        if self.name == "pysod":
            return at_least
        return np.concatenate([at_least[..., 1:], np.zeros_like(at_least[..., :1])], axis=-1)
