"""The class-balanced loss against its equation, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featheredge.models.network import Logits
from featheredge.training.losses import EdgeLoss, balanced_weights


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
    loss = EdgeLoss(eta=eta, lambda_=1.1)
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
