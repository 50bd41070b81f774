"""Losses for edge networks.

Shapes: B batch, H W pixels.
"""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from featheredge.models.network import Logits


@dataclass(frozen=True, config={"extra": "forbid"})
class EdgeLoss:
    """The task loss of an edge network: class-balanced BCE on every map it returns.

    Attributes:
        kind: "edges"; tells this loss from the one for masks.
        eta: pixels marked by a share of annotators in (0, eta] count neither as edge nor as
            background. RCF uses 0.5, PiDiNet 0.3.
        lambda_: extra weight of background pixels; 1.1 in RCF and PiDiNet.
        side_weight: weight of each side output; the final map weighs 1.
        reduction: "sum" over pixels, as the published learning rates assume, or "mean".
    """

    kind: Literal["edges"] = "edges"
    eta: Annotated[float, Field(ge=0, lt=1)] = 0.5
    lambda_: PositiveFloat = 1.1
    side_weight: NonNegativeFloat = 1.0
    reduction: Literal["sum", "mean"] = "sum"

    def __call__(self, logits: Logits, label: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: maps of (B, 1, H, W) before the sigmoid.
            label: (B, 1, H, W) float in [0, 1], the share of annotators who marked the pixel.

        Returns:
            A scalar: the mean over the batch of each picture's sum (or mean) over its pixels.
        """
        weight = balanced_weights(label, self.eta, self.lambda_)
        target = (label > self.eta).to(logits.final.dtype)
        loss = self._one(logits.final, target, weight)
        for side in logits.sides:
            loss = loss + self.side_weight * self._one(side, target, weight)
        return loss

    def _one(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Weighted BCE of one map, summed or averaged over pixels, averaged over the batch."""
        total = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
        pixels = target[0].numel() if self.reduction == "mean" else 1
        return total / (target.shape[0] * pixels)


def balanced_weights(label: Tensor, eta: float, lambda_: float) -> Tensor:
    """Per-pixel weights of RCF's class-balanced loss (Liu et al., CVPR 2017, equation 1).

    With |Y+| edge and |Y-| background pixels in a picture, an edge pixel weighs
    |Y-| / (|Y+| + |Y-|) and a background pixel lambda |Y+| / (|Y+| + |Y-|). Pixels between,
    0 < label <= eta, weigh 0; so does all of a picture without any edge.

    Args:
        label: (B, 1, H, W) float in [0, 1].
        eta: threshold above which a pixel is an edge.
        lambda_: factor on the background.

    Returns:
        (B, 1, H, W) weights of the same dtype.
    """
    positive, negative = label > eta, label == 0
    num_positive = positive.sum((1, 2, 3), keepdim=True).to(label.dtype)
    num_negative = negative.sum((1, 2, 3), keepdim=True).to(label.dtype)
    total = (num_positive + num_negative).clamp(min=1)
    weight = torch.where(positive, num_negative / total, torch.zeros_like(label))
    return torch.where(negative, lambda_ * num_positive / total, weight)
