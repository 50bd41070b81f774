"""Blocks that networks share: `PReLU` computes what PyTorch's does, also its gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import correlate
from torch import nn

from featheredge.models.blocks import PReLU, UnsharpMask


def outputs_and_gradients(layer, x, towards):
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(towards)
    return y.detach(), x.grad, layer.weight.grad


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**16),
    channels_last=st.booleans(),
)
def test_prelu_and_its_gradient_are_those_of_pytorch(shape, seed, channels_last):
    torch.manual_seed(seed)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, towards = (torch.randn(shape).to(memory_format=layout) for _ in range(2))
    ours, theirs = PReLU(shape[1]), nn.PReLU(shape[1])
    with torch.no_grad():
        ours.weight.copy_(torch.randn(shape[1]))
    theirs.load_state_dict(ours.state_dict())
    for mine, reference in zip(
        outputs_and_gradients(ours, x, towards),
        outputs_and_gradients(theirs, x, towards),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference)


def test_prelu_agrees_with_numeric_gradients():
    layer = PReLU(3).double()
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


@pytest.mark.parametrize("training", [True, False])
def test_prelu_takes_half_precision(training):
    layer = PReLU(3) if training else PReLU(3).bfloat16().eval()
    assert layer(torch.randn(2, 3, 4, 5).bfloat16()).dtype == torch.bfloat16


def test_prelu_without_training_is_one_operator():
    layer = PReLU(3).eval()
    traced = torch.export.export(layer, (torch.randn(1, 3, 4, 4),))
    called = [node.target for node in traced.graph.nodes if node.op == "call_function"]
    assert called == [torch.ops.aten.prelu.default]


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 3), st.integers(0, 99))
def test_an_unsharp_mask_adds_what_a_blur_removes(height, width, amount, seed):
    logits = np.random.default_rng(seed).normal(0, 4, (height, width))
    blurred = correlate(logits, np.outer([1, 2, 1], [1, 2, 1]) / 16, mode="nearest")
    mask = UnsharpMask(amount).eval().double()
    sharp = mask(torch.from_numpy(logits)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(sharp, logits + amount * (logits - blurred), atol=1e-5)


def test_an_unsharp_mask_changes_nothing_in_training():
    logits = torch.randn(2, 1, 5, 7)
    mask = UnsharpMask(1.0)
    assert mask.train()(logits) is logits
    assert (mask.eval()(logits) != logits).all()
