"""What a score of edges was taken with: the settings of the BSDS500 boundary benchmark."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.image import quantise
from featheredge.metrics.map_values import unit_values
from featheredge.nms import VARIANTS, suppress

BSDS_MAX_DIST = 0.0075


@dataclass(frozen=True)
class EdgeProtocol:
    """Settings of the benchmark; the defaults are those of published BSDS500 scores.

    Attributes:
        nms: variant of non-maximum suppression applied first, see `featheredge.nms.VARIANTS`;
            ``none`` for maps that are already thin.
        num_thresholds: their number n; threshold i is i / (n + 1).
        max_dist: farthest a predicted and an annotated pixel may lie apart and still match, as a
            share of the picture's diagonal (0.0075 for BSDS500, 0.011 for NYUD).
    """

    nms: str = "hed"
    num_thresholds: int = 99
    max_dist: float = BSDS_MAX_DIST

    def __post_init__(self) -> None:
        if self.nms not in VARIANTS:
            raise EvaluationError(f"no NMS variant {self.nms!r}; choose one of {[*VARIANTS]}")
        if not 1 <= self.num_thresholds <= 10_000:
            raise EvaluationError(
                f"the number of thresholds must be 1 to 10000; got {self.num_thresholds}"
            )
        if not 0 < self.max_dist <= 0.1:
            raise EvaluationError(
                "max_dist is a share of the picture's diagonal, above 0 and at most 0.1 "
                f"(0.0075 for BSDS500); got {self.max_dist}"
            )

    def levels(self) -> NDArray[np.float64]:
        """Return the thresholds, (T,) ascending in (0, 1)."""
        step = 1 / (self.num_thresholds + 1)
        return np.linspace(step, 1 - step, self.num_thresholds)

    def describe(self) -> str:
        """Return the settings in words, for every place where a score is printed."""
        return (
            f"BSDS500 boundary protocol, NMS {self.nms}, {self.num_thresholds} thresholds, "
            f"tolerance {self.max_dist:g} of the diagonal, minimum-cost matching"
        )

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the settings by name, with the matching said too."""
        return {
            "name": "bsds500-boundaries",
            "nms": self.nms,
            "thresholds": self.num_thresholds,
            "max_dist": self.max_dist,
            "matching": "minimum-cost",
        }

    def prepare(self, edge_map: NDArray[np.generic]) -> NDArray[np.float64]:
        """Turn a raw map into the one that is thresholded.

        A suppressed map is rounded to 8 bits, because the protocol stores it as a PNG. Without
        suppression the values stay as they are.

        Args:
            edge_map: (H, W), uint8, or floating point or bool in [0, 1].

        Returns:
            (H, W) in [0, 1].

        Raises:
            EvaluationError: not two-dimensional, or values that are NaN or outside [0, 1].
        """
        values = unit_values(edge_map)
        if self.nms == "none":
            return values
        return quantise(suppress(values, self.nms)) / 255
