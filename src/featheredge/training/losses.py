"""Losses on labels, for edges and for saliency.

Shapes: B batch, H W pixels.
"""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from featheredge.models.blocks import resize_like
from featheredge.models.network import Logits

#: Side of the window whose mean a mask is compared with, in pixels.
_WINDOW_PX = 31


@dataclass(frozen=True, config={"extra": "forbid"})
class EdgeLoss:
    """The loss of an edge network: class-balanced cross-entropy on the final map and side outputs.

    Attributes:
        eta: Pixels marked by a share of annotators in (0, eta] count neither as edge nor as
            background; RCF uses 0.5, PiDiNet 0.3.
        lambda_: Factor on the weight of background pixels; 1.1 in RCF and PiDiNet.
        side_weight: Weight of each side output; the final map weighs 1.
        reduction: "mean" over pixels, or "sum", which published learning rates assume.
    """

    eta: Annotated[float, Field(ge=0, lt=1)] = 0.5
    lambda_: PositiveFloat = 1.1
    side_weight: NonNegativeFloat = 1.0
    reduction: Literal["sum", "mean"] = "mean"

    def __call__(self, logits: Logits, label: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            logits: Maps before the sigmoid: the final one (B, 1, H, W), sides of that size or
                smaller, which are enlarged bilinearly.
            label: (B, 1, H, W) float in [0, 1], the share of annotators who marked the pixel.

        Returns:
            A scalar: the mean over the batch of each picture's sum (or mean) over its pixels.
        """
        weight = balanced_weights(label, self.eta, self.lambda_)
        target = (label > self.eta).to(logits.final.dtype)
        loss = self._one(logits.final, target, weight)
        for side in logits.sides:
            side = resize_like(side, label)
            loss = loss + self.side_weight * self._one(side, target, weight)
        return loss

    def _one(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compute the weighted cross-entropy of a map: mean over the batch of sums or means."""
        total = F.binary_cross_entropy_with_logits(logits, target, weight, reduction="sum")
        pixels = target[0].numel() if self.reduction == "mean" else 1
        return total / (target.shape[0] * pixels)


def balanced_weights(label: Tensor, eta: float, lambda_: float) -> Tensor:
    """Return the pixel weights of RCF's class-balanced loss (Liu et al., CVPR 2017, equation 1).

    With |Y+| edge and |Y-| background pixels in a picture, an edge pixel weighs
    |Y-| / (|Y+| + |Y-|) and a background pixel lambda |Y+| / (|Y+| + |Y-|). Pixels with
    0 < label <= eta weigh 0; so do all pixels of a picture without edges.

    Args:
        label: (B, 1, H, W) float in [0, 1].
        eta: Threshold above which a pixel is an edge.
        lambda_: Factor on the background.

    Returns:
        (B, 1, H, W) weights of the same dtype.
    """
    positive, negative = label > eta, label == 0
    num_positive = positive.sum((1, 2, 3), keepdim=True).to(label.dtype)
    num_negative = negative.sum((1, 2, 3), keepdim=True).to(label.dtype)
    total = (num_positive + num_negative).clamp(min=1)
    weight = torch.where(positive, num_negative / total, torch.zeros_like(label))
    return torch.where(negative, lambda_ * num_positive / total, weight)


@dataclass(frozen=True, config={"extra": "forbid"})
class SaliencyLoss:
    """The loss of a saliency network: cross-entropy and overlap, with more weight at outlines.

    A pixel weighs 1 + `outline` |mean of the mask in a 31 px window - mask|, the structure weight
    of Wei et al., "F3Net" (AAAI 2020, section 3.3). With `overlap = 0` and `outline = 0` it is the
    plain mean cross-entropy of CSNet.

    Attributes:
        overlap: Factor on 1 - intersection over union of probabilities.
        outline: Extra weight of pixels near the mask's outline; 5 in F3Net.
        side_weight: Weight of each side output; the final map weighs 1.
    """

    overlap: NonNegativeFloat = 1.0
    outline: NonNegativeFloat = 5.0
    side_weight: NonNegativeFloat = 1.0

    def __call__(self, logits: Logits, label: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            logits: Maps before the sigmoid: the final one (B, 1, H, W), sides of that size or
                smaller, which are compared with the label averaged over their cells.
            label: (B, 1, H, W) float in [0, 1], 1 inside the object.

        Returns:
            A scalar: the mean over the batch.
        """
        weight = outline_weights(label, self.outline)
        loss = self._one(logits.final, label, weight)
        for side in logits.sides:
            size = side.shape[-2:]
            shrunk = (F.interpolate(x, size, mode="area") for x in (label, weight))
            loss = loss + self.side_weight * self._one(side, *shrunk)
        return loss

    def _one(self, logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        entropy = F.binary_cross_entropy_with_logits(logits, label, reduction="none")
        loss = ((weight * entropy).sum((1, 2, 3)) / weight.sum((1, 2, 3))).mean()
        if self.overlap == 0:
            return loss
        probability = logits.sigmoid()
        both = (weight * probability * label).sum((1, 2, 3))
        either = (weight * (probability + label)).sum((1, 2, 3)) - both
        # One more pixel in both keeps a picture without any object finite.
        return loss + self.overlap * (1 - (both + 1) / (either + 1)).mean()


def outline_weights(label: Tensor, outline: float) -> Tensor:
    """Return weights, (B, 1, H, W): 1 + `outline` |mean of the label around a pixel - label|."""
    if outline == 0:
        return torch.ones_like(label)
    around = _moving_mean(_moving_mean(label, 2), 3)
    return 1 + outline * (around - label).abs()


def _moving_mean(x: Tensor, axis: int) -> Tensor:
    """Return the mean over a window along one axis, of the cells that lie inside the map.

    Running sums take the same time for any window; a square average pool took two fifths of a
    training step.
    """
    half, size = _WINDOW_PX // 2, x.shape[axis]
    last = torch.arange(size, device=x.device)
    first, last = (last - half).clamp(min=0), (last + half + 1).clamp(max=size)
    sums = F.pad(x.cumsum(axis), (0, 0, 1, 0) if axis == 2 else (1, 0))
    counts = (last - first).view([-1 if each == axis else 1 for each in range(4)])
    return (sums.index_select(axis, last) - sums.index_select(axis, first)) / counts
