"""Resized maps keep the centres of their cells; pooling works at any size."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from featheredge.models.resample import crop_like, enlarge, fit, max_pool, shrink

DOWN, UP = ("max", "average", "bilinear"), ("bilinear", "nearest")


def centroid(x: torch.Tensor) -> tuple[float, float]:
    rows, columns = (torch.arange(n, dtype=x.dtype) for n in x.shape)
    return ((x.sum(1) @ rows) / x.sum()).item(), ((x.sum(0) @ columns) / x.sum()).item()


@pytest.mark.parametrize("size", [(33, 47), (32, 48)])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("down", ["max", "average"])
def test_impulses_move_to_the_middle_of_their_cell(down, up, factor, size):
    offsets = []
    for row, column in [(8 + i, 20 + i) for i in range(factor)]:
        impulse = torch.zeros(1, 1, *size, dtype=torch.float64)
        impulse[0, 0, row, column] = 1
        back = crop_like(enlarge(shrink(impulse, factor, down), factor, up), impulse)
        found = centroid(back[0, 0])
        # Cell 8 / factor covers pixels 8 to 8 + factor - 1.
        middle = (factor - 1) / 2
        assert found == (pytest.approx(8 + middle), pytest.approx(20 + middle))
        offsets.append(found[0] - row)
    assert sum(offsets) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("size", [(33, 47), (32, 48), (1, 1), (5, 2)])
@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("down", DOWN)
def test_constants_do_not_change(down, up, factor, size):
    flat = torch.full((1, 2, *size), 3.0)
    back = crop_like(enlarge(shrink(flat, factor, down), factor, up), flat)
    torch.testing.assert_close(back, flat)


@pytest.mark.parametrize("size", [(33, 47), (32, 48)])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("down", ["average", "bilinear"])
def test_ramps_do_not_shift(down, factor, size):
    height, width = size
    ramp = (torch.arange(height)[:, None] + 3.0 * torch.arange(width))[None, None]
    small = shrink(ramp, factor, down)
    inner = slice(factor, -2 * factor)
    bilinear = crop_like(enlarge(small, factor), ramp)
    torch.testing.assert_close(bilinear[..., inner, inner], ramp[..., inner, inner])
    # Nearest-neighbour steps have the mean of the pixels that they cover.
    steps = crop_like(enlarge(small, factor, "nearest"), ramp)
    whole = (..., slice(0, height // factor * factor), slice(0, width // factor * factor))
    means = F.avg_pool2d(ramp[whole], factor)
    torch.testing.assert_close(F.avg_pool2d(steps[whole], factor), means)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 16, 32]))
@settings(max_examples=30)
def test_fitting_repeats_the_border(height, width, multiple):
    x = torch.randn(1, 2, height, width)
    fitted = fit(x, multiple)
    rows, columns = fitted.shape[-2:]
    assert rows % multiple == columns % multiple == 0
    assert 0 <= rows - height < multiple > columns - width >= 0
    index = [torch.arange(n).clamp(max=m - 1) for n, m in ((rows, height), (columns, width))]
    assert torch.equal(fitted, x[..., index[0], :][..., index[1]])
    assert torch.equal(crop_like(fitted, x), x)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(2, 2), (5, 8), (9, 3)])
def test_pooling_equals_pytorch_pooling(stride, size):
    x = torch.randn(2, 3, *size) - 3
    torch.testing.assert_close(max_pool(x, stride), F.max_pool2d(x, 2, stride))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_single_row_or_column_is_kept(stride):
    x = torch.randn(1, 2, 1, 6) - 3
    rows = F.max_pool1d(x[:, :, 0], 2, stride)
    torch.testing.assert_close(max_pool(x, stride)[:, :, 0], rows)
    torch.testing.assert_close(max_pool(x.mT, stride)[..., 0], rows)
    torch.testing.assert_close(max_pool(x[..., :1], stride), x[..., :1])
