"""Octave convolutions, compared with their definition and the papers."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from featheredge.errors import ArgumentError
from featheredge.models.octave import GeneralOctConv, OctBottleneck, OctConv, octave_widths

UP = ("bilinear", "nearest")
POOLS = {"max": F.max_pool2d, "average": F.avg_pool2d}


def slow_octave(
    maps,
    weight,
    in_widths,
    out_widths,
    *,
    stride=1,
    dilation=1,
    groups=1,
    down="max",
    up="bilinear",
    bias=None,
    balance=None,
):
    """The definition: one kernel for all scales, split for every pair of scales, and a sum."""
    if stride == 2:
        maps = [F.avg_pool2d(x, 2) for x in maps]
    scales = [scale for scale, width in enumerate(in_widths) if width]
    results = []
    for target, rows in enumerate(weight.split(out_widths)):
        if not out_widths[target]:
            continue
        total = 0
        for index, (source, x) in enumerate(zip(scales, maps, strict=True)):
            kernel = rows.split([width // groups for width in in_widths], 1)[source]
            factor = 2 ** abs(target - source)
            if target > source:
                x = POOLS[down](x, factor)
            padding = kernel.shape[-1] // 2 * dilation
            x = F.conv2d(x, kernel, padding=padding, dilation=dilation, groups=groups)
            if target < source:
                aligned = {"align_corners": False} if up == "bilinear" else {}
                x = F.interpolate(x, scale_factor=factor, mode=up, **aligned)
            if balance is not None:
                strengths = balance[target].abs()
                x = x * (strengths[index] / strengths.sum(0))[:, None, None]
            total = total + x
        if bias is not None:
            total = total + bias[target][:, None, None]
        results.append(total)
    return results


widths = st.lists(st.integers(0, 3), min_size=1, max_size=3).filter(any)


@given(
    widths,
    widths,
    st.sampled_from([1, 3]),
    st.sampled_from([1, 2]),
    st.sampled_from([*POOLS]),
    st.sampled_from(UP),
)
@settings(max_examples=40)
def test_paths_add_up_to_the_definition(in_widths, out_widths, kernel, stride, down, up):
    layer = GeneralOctConv(in_widths, out_widths, kernel, stride=stride, down=down, up=up)
    weight = torch.randn(sum(out_widths), sum(in_widths), kernel, kernel)
    layer.load_state_dict(layer.split(weight))
    maps = [torch.randn(2, w, 32 >> i, 48 >> i) for i, w in enumerate(in_widths) if w]
    expected = slow_octave(maps, weight, in_widths, out_widths, stride=stride, down=down, up=up)
    results = layer(maps)
    assert sum(p.numel() for p in layer.parameters()) == weight.numel()
    for result, target in zip(results, expected, strict=True):
        torch.testing.assert_close(result, target, rtol=1e-4, atol=1e-4)


@given(widths, widths, st.integers(1, 3), st.sampled_from([1, 2]), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_groups_dilation_bias_and_balance_follow_the_definition(
    in_widths, out_widths, groups, dilation, bias, balance
):
    in_widths = [groups * width for width in in_widths]
    out_widths = [groups * width for width in out_widths]
    options = {"dilation": dilation, "groups": groups}
    layer = GeneralOctConv(in_widths, out_widths, 3, bias=bias, balance=balance, **options)
    weight = torch.randn(sum(out_widths), sum(in_widths) // groups, 3, 3)
    layer.load_state_dict(layer.split(weight), strict=False)
    for parameter in (*layer.bias.values(), *layer.balance.values()):
        nn.init.normal_(parameter)
    learned = {
        name: {int(scale): p.detach() for scale, p in parameters.items()} if parameters else None
        for name, parameters in (("bias", layer.bias), ("balance", layer.balance))
    }
    maps = [torch.randn(2, w, 32 >> i, 48 >> i) for i, w in enumerate(in_widths) if w]
    expected = slow_octave(maps, weight, in_widths, out_widths, **options, **learned)
    results = layer(maps)
    layer.fold_balance()
    assert not layer.balance
    for result, folded, target in zip(results, layer(maps), expected, strict=True):
        torch.testing.assert_close(result, target, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(folded, target, rtol=1e-4, atol=1e-4)


def test_a_balance_is_a_mean_over_the_scales_at_first_and_learns():
    layer = GeneralOctConv((2, 2), (3,), balance=True)
    for path in layer.paths.values():
        nn.init.ones_(path.weight)
    (result,) = layer([torch.full((1, 2, 4, 4), 5.0), torch.full((1, 2, 2, 2), 9.0)])
    torch.testing.assert_close(result, torch.full((1, 3, 4, 4), (2 * 5 + 2 * 9) / 2))
    result.sum().backward()
    gradient = layer.balance["0"].grad
    assert (gradient[1] > 0).all()  # the larger input would count more
    assert (gradient[0] < 0).all()


def test_groups_divide_all_widths():
    with pytest.raises(ArgumentError, match=r"groups is 2; expected a divisor"):
        GeneralOctConv((4, 3), (4,), groups=2)


@given(st.integers(1, 13), st.integers(1, 13), widths, widths)
@settings(max_examples=40)
def test_sizes_of_scales_are_rounded_up(height, width, in_widths, out_widths):
    layer = GeneralOctConv(in_widths, out_widths, 3)
    sizes = [(-(-height // 2**i), -(-width // 2**i)) for i in range(3)]
    maps = [torch.randn(1, w, *sizes[i]) for i, w in enumerate(in_widths) if w]
    finest = min(i for i, w in enumerate(in_widths) if w)
    targets = [i for i, w in enumerate(out_widths) if w]
    for target, x in zip(targets, layer(maps), strict=True):
        factor = 2 ** (finest - target) if finest > target else 1
        size = [factor * side for side in sizes[finest if factor > 1 else target]]
        assert x.shape == (1, out_widths[target], *size)


def test_paths_are_initialised_like_one_convolution():
    torch.manual_seed(0)
    octave = GeneralOctConv((32, 16, 8), (30, 20), 3)
    whole = nn.Conv2d(56, 50, 3)
    for path in octave.paths.values():
        assert path.weight.std().item() == pytest.approx(whole.weight.std().item(), rel=0.05)


def test_octave_convolution_equals_the_definition_in_the_paper():
    layer = OctConv(10, 7, 3, alpha_in=0.3, alpha_out=0.5)
    weight = torch.randn(7, 10, 3, 3)
    layer.load_state_dict(layer.split(weight))
    high, low = torch.randn(2, 7, 12, 8), torch.randn(2, 3, 6, 4)
    rows, columns = slice(0, 4), slice(0, 7)  # 7 channels of which floor(0.5 * 7) are low
    lows, column_lows = slice(4, 7), slice(7, 10)

    def conv(x, r, c):
        return F.conv2d(x, weight[r, c], padding=1)

    repeated = conv(low, rows, column_lows).repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected_high = conv(high, rows, columns) + repeated
    expected_low = conv(F.avg_pool2d(high, 2), lows, columns) + conv(low, lows, column_lows)
    result_high, result_low = layer([high, low])
    torch.testing.assert_close(result_high, expected_high, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(result_low, expected_low, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alpha", [0, 0.125, 0.25, 0.5, 0.75, 1])
def test_octave_convolution_saves_the_published_share(alpha):
    # Chen et al., table 1: 1 - 3/4 alpha (2 - alpha) of the multiply-adds.
    layer = OctConv(32, 32, 3, alpha_in=alpha, alpha_out=alpha).to("meta")
    high, low = octave_widths(32, alpha)
    maps = [torch.empty(1, w, n, n, device="meta") for w, n in ((high, 32), (low, 16)) if w]
    with FlopCounterMode(display=False) as counter:
        layer(maps)
    share = counter.get_total_flops() / (2 * 32 * 32 * 9 * 32 * 32)
    assert share == pytest.approx(1 - 0.75 * alpha * (2 - alpha))


@pytest.mark.parametrize("alpha", [0, 0.125, 0.25, 0.5])
def test_a_resnet_50_of_octave_blocks_has_as_many_parameters(alpha):
    blocks, channels, alpha_in = nn.Sequential(), 64, 0.0
    with torch.device("meta"):
        for stage, (hidden, out, depth) in enumerate(
            [(64, 256, 3), (128, 512, 4), (256, 1024, 6), (512, 2048, 3)]
        ):
            for index in range(depth):
                # As in the paper, the last stage has no low channels, so it ends with one map.
                alpha_out = 0.0 if stage == 3 else alpha
                stride = 2 if stage and index == 0 else 1
                shares = {"alpha_in": alpha_in, "alpha_out": alpha_out}
                blocks.append(OctBottleneck(channels, hidden, out, **shares, stride=stride))
                channels, alpha_in = out, alpha_out
        (last,) = blocks([torch.empty(1, 64, 56, 56)])
    assert last.shape == (1, 2048, 7, 7)
    stem_and_classifier = 9408 + 2 * 64 + 2048 * 1000 + 1000
    assert sum(p.numel() for p in blocks.parameters()) == 25_557_032 - stem_and_classifier


def test_an_octave_block_adds_its_input():
    block = OctBottleneck(8, 4, 8).eval()
    assert block.shortcut is None
    for norm in block.residual[-1]:
        nn.init.zeros_(norm.weight)
    maps = [torch.randn(2, 4, 7, 9), torch.randn(2, 4, 4, 5)]
    for result, x in zip(block(maps), maps, strict=True):
        torch.testing.assert_close(result, x.relu())


def test_layers_without_channels_raise():
    for in_widths, out_widths, kernel in [((0, 0), (1,), 1), ((1,), (), 1), ((1,), (1,), 2)]:
        with pytest.raises(ArgumentError, match="odd kernel"):
            GeneralOctConv(in_widths, out_widths, kernel)
    with pytest.raises(ArgumentError, match=r"alpha is 1\.5; give a share"):
        OctConv(4, 4, alpha_in=1.5)


def test_a_wrong_number_of_maps_raises():
    with pytest.raises(ValueError, match="zip"):
        GeneralOctConv((2, 3), (4,))([torch.rand(1, 2, 8, 8)])
