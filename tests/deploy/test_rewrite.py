"""Exact rewrites: each one does what it says, and the outputs stay the same to 1e-5."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from featheredge.deploy.rewrite.apply import NEGLIGIBLE, flush_negligible, rewrite
from featheredge.deploy.rewrite.blocks import BLOCK, fill_blocks
from featheredge.deploy.rewrite.branches import add_joined, share_pools, shrink_before_enlarging
from featheredge.deploy.rewrite.dead import drop_dead_channels
from featheredge.deploy.rewrite.graph import read_conv
from featheredge.deploy.rewrite.norms import fold_norms
from featheredge.deploy.rewrite.slopes import Slopes, replace_prelu
from featheredge.onnx_runtime import onnx_session
from rewrite_graphs import Branches, Traced, shuffled


def cat(maps):
    return torch.cat(maps, 1)


def conv(inputs, outputs, kernel=1, **options):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


def depthwise(channels):
    return conv(channels, channels, 3, groups=channels)


def enlarge(factor=2, mode="bilinear"):
    return nn.Upsample(scale_factor=factor, mode=mode)


def widths(traced):
    return [len(found.kernel) for node in traced.graph if (found := read_conv(node))]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def octave(norm):
    """A sum of a convolution and of an enlarged one, as in a generalised octave convolution."""
    low = nn.Sequential(nn.MaxPool2d(2), conv(3, 6, bias=False), enlarge())
    return shuffled(nn.Sequential(Branches(sum, conv(3, 6, 3, bias=False), low), norm))


def test_a_norm_is_folded_through_a_sum_of_branches():
    traced = Traced(octave(nn.BatchNorm2d(6)), 2, 3, 8, 12)
    assert traced.apply(fold_norms) == 1
    assert "BatchNormalization" not in traced.operators()


def test_a_norm_is_folded_through_a_concatenation():
    joined = Branches(cat, conv(3, 2), conv(3, 5, 3), nn.AvgPool2d(1))
    traced = Traced(shuffled(nn.Sequential(joined, nn.BatchNorm2d(10))), 2, 3, 8, 12)
    assert traced.apply(fold_norms) == 0  # the picture itself is no convolution
    joined = Branches(cat, conv(3, 2), conv(3, 5, 3))
    traced = Traced(shuffled(nn.Sequential(joined, nn.BatchNorm2d(7))), 2, 3, 8, 12)
    assert traced.apply(fold_norms) == 1


def test_a_norm_stays_if_another_layer_reads_its_input():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = conv(3, 4), nn.BatchNorm2d(4)

        def forward(self, x):
            y = self.conv(x)
            return y + self.norm(y)

    assert Traced(shuffled(Both()), 1, 3, 5, 6).apply(fold_norms) == 0


@pytest.mark.parametrize("before", [conv(3, 4), conv(3, 4, 3), nn.MaxPool2d(2)])
def test_a_prelu_becomes_a_sum_of_two_convolutions(before):
    channels = 3 if isinstance(before, nn.MaxPool2d) else 4
    traced = Traced(shuffled(nn.Sequential(before, nn.PReLU(channels))), 2, 3, 8, 6)
    counts = traced.apply(replace_prelu)
    assert (counts.split, counts.rounded) == (1, 0)
    assert traced.operators()["PRelu"] == 0


def test_slopes_above_one_keep_their_prelu():
    layer = nn.PReLU(3)
    layer.weight.data = torch.tensor([0.1, 0.2, 1.5])
    traced = Traced(nn.Sequential(conv(3, 3), layer), 1, 3, 4, 4)
    traced.apply(replace_prelu)
    assert traced.operators()["PRelu"] == 1


@pytest.mark.parametrize(
    ("slopes", "operator", "change"),
    [((0.0, 0.0), "Relu", 0.0), ((0.3, 0.3), "LeakyRelu", 0.0), ((0.0, 2**-9), "Relu", 2**-9)],
)
def test_slopes_decide_what_a_prelu_becomes(slopes, operator, change):
    layer = nn.PReLU(2)
    layer.weight.data = torch.tensor(slopes)
    traced = Traced(nn.Sequential(conv(3, 2), layer), 1, 3, 4, 4)
    before = traced.run()
    counts = replace_prelu(traced.graph, change)
    assert counts.rounded == pytest.approx(change)
    assert traced.operators()[operator] == 1
    np.testing.assert_allclose(traced.run(), before, rtol=0, atol=max(1e-6, 3 * change))


POOLS = """
<ir_version: 9, opset_import: ["" : 20]>
pools (float[1, 3, 8, 8] x) => (float[1, 12, 4, 4] y) {
    a = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)
    b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x)
    c = MaxPool <kernel_shape = [4, 4], strides = [2, 2], pads = [1, 1, 1, 1]> (x)
    d = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x)
    y = Concat <axis = 1> (a, b, c, d)
}
"""


def test_equal_pools_are_shared_and_others_are_not():
    text = onnx.parser.parse_model(POOLS)
    model = ir.from_proto(text)
    x = {"x": np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32)}
    assert share_pools(model.graph) == 1
    (expected,) = onnx_session(text.SerializeToString()).run(None, x)
    (found,) = onnx_session(ir.to_proto(model).SerializeToString()).run(None, x)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_1x1_convolution_moves_before_an_interpolation(mode):
    traced = Traced(nn.Sequential(enlarge(2, mode), conv(6, 2)), 1, 6, 5, 4)
    assert traced.apply(shrink_before_enlarging) == 1
    assert [node.op_type for node in traced.graph][-1] == "Resize"


def test_convolutions_that_need_the_larger_map_do_not_move():
    for layer in (conv(6, 2, 3), conv(6, 8)):
        traced = Traced(nn.Sequential(enlarge(), layer), 1, 6, 5, 4)
        assert traced.apply(shrink_before_enlarging) == 0


def test_narrow_convolutions_are_added_instead_of_joined():
    dilated = [nn.Conv2d(5, 3, 3, padding=d, dilation=d) for d in (1, 2, 4)]
    traced = Traced(Branches(cat, *dilated), 1, 5, 9, 9)
    assert traced.apply(add_joined) == 1
    assert traced.operators() == {"Conv": 3, "Add": 2}


@pytest.mark.parametrize("width", [40, 8])
def test_convolutions_stay_joined_if_their_sum_has_too_many_blocks(width):
    """Five of 8 channels take 5 blocks; their sum would take 15."""
    convs = [conv(5, width, 3) for _ in range(5)]
    assert Traced(Branches(cat, *convs), 1, 5, 9, 9).apply(add_joined) == 0
    then_narrow = nn.Sequential(
        Branches(cat, *convs), Branches(cat, conv(5 * width, 3), conv(5 * width, 3))
    )
    assert Traced(then_narrow, 1, 5, 9, 9).apply(add_joined) == 1


def test_a_convolution_that_another_layer_reads_stays_joined():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other, self.last = conv(5, 3, 3), conv(5, 3, 3), conv(3, 6)

        def forward(self, x):
            y = self.one(x)
            return torch.cat([y, self.other(x)], 1) + self.last(y)

    assert Traced(Twice(), 1, 5, 9, 9).apply(add_joined) == 0


def test_channels_are_filled_up_to_blocks():
    inner = Branches(cat, depthwise(7), nn.MaxPool2d(1))
    network = nn.Sequential(conv(3, 7, 3), nn.PReLU(7), inner, conv(14, 20), depthwise(20))
    network.append(nn.Sigmoid()).append(conv(20, 1, 3))
    traced = Traced(shuffled(network), 2, 3, 8, 12)
    assert traced.apply(fill_blocks) == 2
    assert all(width % BLOCK == 0 for width in widths(traced)[:-1])
    assert widths(traced)[-1] == 1


def test_new_channels_of_a_concatenation_are_not_read():
    """They are 0.5 after the sigmoid."""
    inner = Branches(cat, nn.Sequential(depthwise(7), nn.Sigmoid()), nn.Sequential(depthwise(7)))
    traced = Traced(nn.Sequential(conv(3, 7, 3), inner, conv(14, 20), conv(20, 1)), 2, 3, 8, 12)
    traced.apply(fill_blocks)
    assert widths(traced) == [16, 16, 16, 32, 1]


def test_outputs_and_what_unknown_layers_read_keep_their_channels():
    class Unknown(nn.Module):
        def forward(self, x):
            return x.flip(1)

    network = nn.Sequential(conv(3, 7, 3), Unknown(), conv(7, 9), conv(9, 6))
    traced = Traced(network, 1, 3, 6, 6)
    assert traced.apply(fill_blocks) == 1
    assert widths(traced) == [7, 16, 6]


def test_dead_and_constant_channels_are_removed():
    first, second, last = conv(3, 6, 3), depthwise(6), conv(6, 4)
    with torch.no_grad():
        second.weight[1], second.bias[1] = 0, -1.0  # ReLU makes it zero
        second.weight[2], second.bias[2] = 0, 2.0  # constant: a bias of the 1x1 layer
        last.weight[:, 3] = 0  # nobody reads it
    traced = Traced(nn.Sequential(first, second, nn.ReLU(), last), 1, 3, 7, 5)
    assert traced.apply(drop_dead_channels) == 3
    assert widths(traced) == [3, 3, 4]


@pytest.mark.parametrize(("value", "dropped"), [(0.0, 1), (1.0, 0), (2.0, 0)])
def test_a_constant_channel_stays_if_the_next_layer_pads(value, dropped):
    """Padding is 0, so that only a channel of zeros is the same everywhere."""
    first, last = with_constant(conv(3, 4), 0, value), conv(4, 2, 3)
    assert Traced(nn.Sequential(first, last), 1, 3, 7, 5).apply(drop_dead_channels) == dropped


def with_constant(layer, channel, value):
    """Give one channel of a convolution a constant value."""
    with torch.no_grad():
        layer.weight[channel], layer.bias[channel] = 0, value
    return layer


@pytest.mark.parametrize(("padding", "dropped"), [(0, 1), (1, 0)])
def test_a_constant_channel_stays_constant_in_a_pool_without_padding(padding, dropped):
    pool = nn.AvgPool2d(3, 1, padding)
    network = nn.Sequential(with_constant(conv(3, 4), 1, 2.0), pool, conv(4, 2))
    assert Traced(network, 1, 3, 7, 5).apply(drop_dead_channels) == dropped


def test_constant_and_unread_channels_of_a_concatenation_are_removed():
    last = conv(7, 4)
    with torch.no_grad():
        last.weight[:, [0, 6]] = 0  # the first of one part, the last of the other
    joined = Branches(cat, with_constant(conv(3, 4), 2, 2.0), conv(3, 3, 3))
    traced = Traced(nn.Sequential(joined, last), 1, 3, 7, 5)
    assert traced.apply(drop_dead_channels) == 3
    assert widths(traced) == [2, 2, 4]


def test_channels_of_a_concatenation_that_is_the_output_stay():
    parts = [nn.Sequential(with_constant(conv(3, 4), 1, 2.0), nn.ReLU()) for _ in range(2)]
    traced = Traced(Branches(cat, *parts), 1, 3, 7, 5)
    assert traced.apply(drop_dead_channels) == 0


class Gated(nn.Module):
    """Multiplies every channel by a number and by the sigmoid of its mean."""

    def forward(self, x):
        return 0.5 * x * x.mean((2, 3), keepdim=True).sigmoid()


def test_channels_are_removed_through_a_gate():
    last = conv(4, 2)
    with torch.no_grad():
        last.weight[:, 1] = 0
    traced = Traced(nn.Sequential(conv(3, 4), Gated(), last), 1, 3, 7, 5)
    assert traced.apply(drop_dead_channels) == 1
    assert widths(traced) == [3, 2]


def test_several_filters_for_each_channel_are_not_depthwise():
    last = conv(6, 2)
    with torch.no_grad():
        last.weight[:, 1] = 0
    network = nn.Sequential(conv(3, 3), conv(3, 6, 3, groups=3), last)
    assert Traced(network, 1, 3, 7, 5).apply(drop_dead_channels) == 0


def test_convolutions_over_time_are_left_alone():
    network = nn.Sequential(nn.Conv1d(3, 4, 1), nn.Conv1d(4, 2, 1))
    with torch.no_grad():
        network[1].weight[:, 1] = 0
    assert Traced(network, 1, 3, 7).apply(drop_dead_channels) == 0


PADDED = """
<ir_version: 9, opset_import: ["" : 20]>
padded (float[1, 2, 4, 4] x, int64[1] right) => (float[1, 2, 6, n] y)
<float[4, 2, 1, 1] first = {{1, 2, 3, 4, 5, 6, 7, 8}},
 float[2, 4, 1, 1] last = {{1, 0, 3, 4, 5, 0, 7, 8}},
 int64[1] zero = {{0}}, int64[1] one = {{1}}, int64[4] zeros = {{0, 0, 0, 0}}> {{
    a = Conv (x, first)
    pads = Concat <axis = 0> ({parts})
    b = Pad (a, pads)
    y = Conv (b, last)
}}
"""


@pytest.mark.parametrize(
    ("parts", "dropped"),
    [
        ("zero, zero, one, zero, zero, zero, one, right", 1),
        ("zeros, zero, zero, one, right", 0),  # the numbers of the channels are not read from it
    ],
)
def test_channels_are_removed_through_padding_of_rows_and_columns(parts, dropped):
    text = onnx.parser.parse_model(PADDED.format(parts=parts))
    model = ir.from_proto(text)
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
    inputs = {"x": x, "right": np.array([2])}
    assert drop_dead_channels(model.graph) == dropped
    (expected,) = onnx_session(text.SerializeToString()).run(None, inputs)
    (found,) = onnx_session(ir.to_proto(model).SerializeToString()).run(None, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_negligible_weights_become_zero():
    layer = conv(3, 2)
    with torch.no_grad():
        layer.weight[0, 0], layer.weight[1, 1] = 1e-42, NEGLIGIBLE / 2
    traced = Traced(layer, 1, 3, 4, 4)
    assert traced.apply(flush_negligible) == 2
    weight = next(
        array for array in map(_array, traced.graph.initializers.values()) if array.ndim == 4
    )
    assert np.count_nonzero(weight == 0) == 2


def _array(value: ir.Value) -> np.ndarray:
    assert value.const_value is not None
    return value.const_value.numpy()


WHOLE = """
<ir_version: 9, opset_import: ["" : 20]>
network (float[B, H, W, 3] image) => (float[B, H, W, 2] map)
<float[2, 3, 1, 1] kernel = {1, 2, 3, 4, 5, 6}, float[2, 1, 1] slopes = {0.25, 0.25}> {
    a = Transpose <perm = [0, 3, 1, 2]> (image)
    b = Conv (a, kernel)
    c = PRelu (b, slopes)
    map = Transpose <perm = [0, 2, 3, 1]> (c)
}
"""


def test_a_rewritten_model_has_one_size_and_says_what_was_done():
    model, counts = rewrite(onnx.parser.parse_model(WHOLE), input_px=8)
    assert str(counts) == "     1  PReLU layers replaced by LeakyReLU"
    for value in (*model.graph.input, *model.graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        assert dims[:3] == [1, 8, 8]


def test_without_a_prelu_no_slope_has_changed():
    assert replace_prelu(Traced(conv(3, 2), 1, 3, 4, 4).graph) == Slopes()
    assert Slopes().rounded == 0
