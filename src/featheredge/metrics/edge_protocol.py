"""`EdgeProtocol`: the settings of the BSDS500 boundary benchmark, named in every edge score.

Shapes: `H W` pixels; `T` thresholds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import EvaluationError
from featheredge.metrics.map_values import unit_values
from featheredge.nms import VARIANTS, suppress
from featheredge.png import quantise

BSDS_MAX_DIST = 0.0075


@dataclass(frozen=True)
class EdgeProtocol:
    """Settings of the benchmark; the defaults are those of published BSDS500 scores.

    Attributes:
        nms: Variant of non-maximum suppression that is applied first, one of
            `featheredge.nms.VARIANTS`; `none` for maps that are already thin.
        num_thresholds: Number T of thresholds; threshold i is i / (T + 1), i from 1 to T.
        max_dist: The largest distance at which a predicted and an annotated pixel match, as a
            share of the picture's diagonal (0.0075 for BSDS500, 0.011 for NYUD).

    Raises:
        EvaluationError: A setting is outside the values it can take.
    """

    nms: str = "hed"
    num_thresholds: int = 99
    max_dist: float = BSDS_MAX_DIST

    def __post_init__(self) -> None:
        if self.nms not in VARIANTS:
            raise EvaluationError(
                f"unknown NMS variant {self.nms!r}; choose one of {', '.join(VARIANTS)}"
            )
        if not 1 <= self.num_thresholds <= 10_000:
            raise EvaluationError(
                f"got num_thresholds = {self.num_thresholds}; give a number from 1 to 10000"
            )
        if not 0 < self.max_dist <= 0.1:
            raise EvaluationError(
                f"got max_dist = {self.max_dist}; give a share of the picture's diagonal, above 0 "
                "and at most 0.1 (0.0075 for BSDS500)"
            )

    def levels(self) -> NDArray[np.float64]:
        """Return the thresholds, (T,) ascending in (0, 1)."""
        step = 1 / (self.num_thresholds + 1)
        return np.linspace(step, 1 - step, self.num_thresholds)

    def describe(self) -> str:
        """Return the settings in words; every printed score comes with them."""
        return (
            f"BSDS500 boundary protocol, NMS {self.nms}, {self.num_thresholds} thresholds, "
            f"tolerance {self.max_dist:g} of the diagonal, minimum-cost matching"
        )

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the settings and the kind of matching, ready for JSON."""
        return {
            "name": "bsds500-boundaries",
            "nms": self.nms,
            "thresholds": self.num_thresholds,
            "max_dist": self.max_dist,
            "matching": "minimum-cost",
        }

    def prepare(self, edge_map: NDArray[np.generic]) -> NDArray[np.float64]:
        """Apply non-maximum suppression to a map, so that it can be thresholded.

        A suppressed map is rounded to 8 bits, because the benchmark stores it as a PNG. With
        `nms = "none"` the values are not changed.

        Args:
            edge_map: (H, W), uint8, or floating point or bool in [0, 1].

        Returns:
            (H, W) float64 in [0, 1].

        Raises:
            EvaluationError: The map is not two-dimensional, or values are NaN or outside [0, 1].
        """
        values = unit_values(edge_map)
        if self.nms == "none":
            return values
        return quantise(suppress(values, self.nms)) / 255
