"""The losses of edges and of masks against their equations, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featheredge.models.network import Logits
from featheredge.training.losses import EdgeLoss, SaliencyLoss, balanced_weights, outline_weights


def slow_loss(logits: np.ndarray, label: np.ndarray, eta: float, lambda_: float) -> float:
    """Equation 1 of RCF for one picture, written out."""
    num_positive = sum(y > eta for y in label.flat)
    num_negative = sum(y == 0 for y in label.flat)
    total = 0.0
    for x, y in zip(logits.flat, label.flat, strict=True):
        p = 1 / (1 + math.exp(-x))
        if y > eta:
            total -= num_negative / (num_positive + num_negative) * math.log(p)
        elif y == 0:
            total -= lambda_ * num_positive / (num_positive + num_negative) * math.log(1 - p)
    return total


maps = st.lists(st.sampled_from([0.0, 0.0, 0.2, 0.4, 1.0]), min_size=12, max_size=12)
scores = st.lists(st.floats(-8, 8, width=32), min_size=12, max_size=12)


@given(label=maps, score=scores, eta=st.sampled_from([0.0, 0.3, 0.5]))
def test_equals_the_equation(label, score, eta):
    label, score = (np.array(v, np.float32).reshape(3, 4) for v in (label, score))
    loss = EdgeLoss(eta=eta, lambda_=1.1, reduction="sum")
    logits = Logits(torch.tensor(score)[None, None], ())
    ours = loss(logits, torch.tensor(label)[None, None]).item()
    assert ours == pytest.approx(slow_loss(score, label, eta, 1.1), rel=1e-4, abs=1e-4)


def test_each_picture_is_balanced_by_itself():
    label = torch.zeros(2, 1, 4, 5)
    label[0, 0, 0] = 1.0
    label[1, 0, :, 0] = 0.2
    weights = balanced_weights(label, 0.3, 1.0)
    assert weights[0, 0, 0].unique().item() == pytest.approx(15 / 20)
    assert weights[0, 0, 1:].unique().item() == pytest.approx(5 / 20)
    assert (weights[1] == 0).all(), "without an edge, a picture must not count"


def test_reductions_and_side_outputs():
    final, side = torch.randn(2, 1, 6, 6), torch.randn(2, 1, 6, 6)
    label = (torch.rand(2, 1, 6, 6) > 0.7).float()
    one = EdgeLoss(reduction="sum")
    alone = [one(Logits(x, ()), label) for x in (final, side)]
    weighted = EdgeLoss(reduction="sum", side_weight=0.25)(Logits(final, (side,)), label)
    torch.testing.assert_close(weighted, alone[0] + 0.25 * alone[1])
    mean = EdgeLoss(reduction="mean")(Logits(final, ()), label)
    torch.testing.assert_close(mean * 36, alone[0])


def test_a_small_side_output_of_edges_is_enlarged():
    final, small = torch.randn(2, 1, 6, 6), torch.randn(2, 1, 3, 3)
    label = (torch.rand(2, 1, 6, 6) > 0.7).float()
    large = torch.nn.functional.interpolate(small, (6, 6), mode="bilinear")
    loss, expected = (EdgeLoss()(Logits(final, (side,)), label) for side in (small, large))
    torch.testing.assert_close(loss, expected)


def slow_weight(label: torch.Tensor, row: int, column: int, outline: float) -> float:
    height, width = label.shape
    window = [
        label[y, x].item()
        for y in range(max(0, row - 15), min(height, row + 16))
        for x in range(max(0, column - 15), min(width, column + 16))
    ]
    return 1 + outline * abs(sum(window) / len(window) - label[row, column].item())


def slow_overlap(
    logits: torch.Tensor, label: torch.Tensor, overlap: float, outline: float
) -> float:
    """One picture, (H, W)."""
    entropy = both = either = total = 0.0
    for row in range(label.shape[0]):
        for column in range(label.shape[1]):
            weight = slow_weight(label, row, column, outline)
            p = 1 / (1 + math.exp(-logits[row, column].item()))
            y = label[row, column].item()
            entropy -= weight * (y * math.log(p) + (1 - y) * math.log(1 - p))
            both += weight * p * y
            either += weight * (p + y - p * y)
            total += weight
    return entropy / total + overlap * (1 - (both + 1) / (either + 1))


@pytest.mark.parametrize(("overlap", "outline"), [(0, 0), (1, 0), (0, 5), (0.7, 5)])
def test_the_loss_of_masks_equals_its_definition(overlap, outline):
    torch.manual_seed(0)
    logits, label = torch.randn(2, 1, 9, 40), (torch.rand(2, 1, 9, 40) > 0.6).float()
    loss = SaliencyLoss(overlap=overlap, outline=outline)(Logits(logits, ()), label)
    expected = sum(slow_overlap(logits[i, 0], label[i, 0], overlap, outline) for i in range(2)) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_side_outputs_of_masks_are_weighted():
    torch.manual_seed(0)
    maps = torch.randn(3, 1, 1, 8, 8)
    label = (torch.rand(1, 1, 8, 8) > 0.5).float()
    one = SaliencyLoss()
    expected = one(Logits(maps[0], ()), label) + 0.5 * (
        one(Logits(maps[1], ()), label) + one(Logits(maps[2], ()), label)
    )
    both = SaliencyLoss(side_weight=0.5)(Logits(maps[0], (maps[1], maps[2])), label)
    torch.testing.assert_close(both, expected)


def test_pixels_near_the_outline_weigh_most():
    label = torch.zeros(1, 1, 100, 100)
    label[..., 50:] = 1
    weight = outline_weights(label, 5.0)[0, 0, 50]
    assert weight[5] == 1
    assert weight[49] == weight.max() or weight[50] == weight.max()
    assert weight[49] > 3


@pytest.mark.parametrize("inside", [0.0, 1.0])
def test_an_empty_or_full_mask_has_a_finite_loss_and_gradient(inside):
    logits = torch.zeros(1, 1, 6, 6, requires_grad=True)
    loss = SaliencyLoss(overlap=1, outline=5)(Logits(logits, ()), torch.full((1, 1, 6, 6), inside))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
