"""What a score of saliency was taken with: the two protocols that published numbers follow.

Shape legend: ``L`` the 256 levels of an 8-bit map.
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
    """What the levels of one map stand for, from 0 to 1.

    Attributes:
        steps: (L,) int64; level l has the value ``steps[l] / num_steps`` in [0, 1].
        num_steps: steps from 0 to 1.
        bins: (L,) int64 in 0..255; what thresholds are compared with.
    """

    steps: NDArray[np.int64]
    num_steps: int
    bins: NDArray[np.int64]

    @property
    def values(self) -> NDArray[np.float64]:
        """(L,) in [0, 1]."""
        return self.steps / self.num_steps


@dataclass(frozen=True)
class SaliencyProtocol:
    """Conventions by name.

    Attributes:
        name: ``pysod``, as PySODMetrics 1.6.2 computes, or
            ``salmetric``, as the tool of that name (CSNet, PoolNet).
    """

    name: str = "pysod"

    def __post_init__(self) -> None:
        if self.name not in _WORDS:
            raise EvaluationError(f"no protocol {self.name!r}; choose one of {[*_WORDS]}")

    @property
    def stretches(self) -> bool:
        """Whether every map is stretched to its own minimum and maximum before it is scored."""
        return self.name == "pysod"

    @property
    def averages_rates(self) -> bool:
        """Whether F is that of the mean precision and recall, not the mean of each image's F."""
        return self.name == "salmetric"

    def describe(self) -> str:
        """Return the conventions in words, for every place where a score is printed."""
        return (
            f"Protocol {self.name}: {_WORDS[self.name]}; {NUM_LEVELS} thresholds, "
            f"beta^2 {BETA_SQ:g}, salient where mask > {MASK_THRESHOLD}"
        )

    def to_dict(self) -> dict[str, str | int | float | bool]:
        """Return the conventions by name."""
        return {
            "name": self.name,
            "maps_stretched": self.stretches,
            "thresholds": NUM_LEVELS,
            "beta_sq": BETA_SQ,
            "mask_threshold": MASK_THRESHOLD,
        }

    def scale(self, lowest: int, highest: int) -> Scale:
        """Say what the levels of a map stand for.

        Args:
            lowest: least level in the map, 0..255.
            highest: greatest. A map of one level only is never stretched.
        """
        steps = np.arange(NUM_LEVELS)
        if not self.stretches or lowest == highest:
            return Scale(steps, NUM_LEVELS - 1, steps)
        # Cut to 8 bits from float64, as PySODMetrics does: now and then rounding makes it one less
        # than the level, and that moves the score.
        unit = steps / 255
        stretched = (unit - lowest / 255) / (highest / 255 - lowest / 255)
        bins = (stretched.clip(0, 1) * 255).astype(np.int64)
        return Scale((steps - lowest).clip(0, highest - lowest), highest - lowest, bins)

    def at_thresholds(self, histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the pixels that are predicted at every threshold, from the lowest to the highest.

        Args:
            histogram: (..., L) pixels in each bin.

        Returns:
            (..., L).
        """
        at_least = np.cumsum(histogram[..., ::-1], axis=-1)[..., ::-1]
        if self.name == "pysod":
            return at_least
        return np.concatenate([at_least[..., 1:], np.zeros_like(at_least[..., :1])], axis=-1)
