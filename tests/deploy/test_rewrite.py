"""Exact rewrites: each one does what it says, and the outputs stay the same to 1e-5."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn

from featheredge.deploy.rewrite.apply import NEGLIGIBLE, flush_negligible
from featheredge.deploy.rewrite.blocks import BLOCK, fill_blocks
from featheredge.deploy.rewrite.branches import add_joined, share_pools, shrink_before_enlarging
from featheredge.deploy.rewrite.dead import drop_dead_channels
from featheredge.deploy.rewrite.graph import read_conv
from featheredge.deploy.rewrite.norms import fold_norms
from featheredge.deploy.rewrite.slopes import replace_prelu
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
    assert traced.apply(replace_prelu).split == 1
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
    wide = [conv(5, 40, 3), conv(5, 40, 3)]
    assert Traced(Branches(cat, *wide), 1, 5, 9, 9).apply(add_joined) == 0


def test_channels_are_filled_up_to_blocks():
    inner = Branches(cat, depthwise(7), nn.MaxPool2d(1))
    network = nn.Sequential(conv(3, 7, 3), nn.PReLU(7), inner, conv(14, 20), depthwise(20))
    network.append(nn.Sigmoid()).append(conv(20, 1, 3))
    traced = Traced(shuffled(network), 2, 3, 8, 12)
    assert traced.apply(fill_blocks) == 2
    assert all(width % BLOCK == 0 for width in widths(traced)[:-1])
    assert widths(traced)[-1] == 1


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


def test_a_constant_channel_stays_if_the_next_layer_pads():
    first, last = conv(3, 4), conv(4, 2, 3)
    with torch.no_grad():
        first.weight[0], first.bias[0] = 0, 2.0
    assert Traced(nn.Sequential(first, last), 1, 3, 7, 5).apply(drop_dead_channels) == 0


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
