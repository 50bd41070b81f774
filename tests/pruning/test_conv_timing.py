"""Find convolutions in networks and time them; absolute times are not tested."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from featheredge.errors import ArgumentError
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds
from featheredge.models.pidinet import PiDiNet, PiDiNetConfig
from featheredge.pruning import conv_timing
from featheredge.pruning.conv_timing import time_convolutions
from featheredge.pruning.convolutions import find_convolutions
from toys import toy_network

LAYERS = {
    "plain": (nn.Conv2d(6, 8, 3, padding=1), (6, 9, 11)),
    "strided": (nn.Conv2d(3, 8, (5, 3), stride=2, padding=(2, 1)), (3, 9, 11)),
    "dilated": (nn.Conv2d(4, 4, 3, padding=2, dilation=2), (4, 9, 11)),
    "depthwise": (nn.Conv2d(8, 8, 3, padding=1, groups=8), (8, 9, 11)),
    "grouped": (nn.Conv2d(8, 12, 1, groups=4), (8, 5, 7)),
    "transposed": (
        nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1),
        (6, 5, 7),
    ),
}


def convolution_of(layer, shape):
    return find_convolutions(layer, torch.zeros(1, *shape))[0][1]


@pytest.mark.parametrize("name", ["mobile-edge-xs", "rcf", "csnet-x2"])
def test_the_convolutions_have_all_multiply_adds_of_the_network(name):
    network = create_model(name).eval()
    found = find_convolutions(network, torch.zeros(1, 3, 33, 47))
    counted = multiply_adds(lambda: create_model(name), 33, 47)
    assert sum(c.multiply_adds for _, c in found) == pytest.approx(counted)
    kernels = {name for name, _ in network.named_parameters()} | {"sharpen.kernel"}
    assert {kernel for kernel, _ in found} <= kernels


def test_computed_kernels_raise():
    network = PiDiNet(PiDiNetConfig((4, 4, 4, 4), context=0))
    image = torch.zeros(1, 3, 32, 32)
    with pytest.raises(ArgumentError, match=r"as in network\.deployable\(\)"):
        find_convolutions(network, image)
    assert ("init_block.weight", 3) in [
        (kernel, c.in_channels) for kernel, c in find_convolutions(network.deployable(), image)
    ]


@pytest.mark.parametrize("kind", LAYERS)
@torch.no_grad()
def test_the_timed_model_computes_the_layer(kind):
    layer, shape = LAYERS[kind]
    convolution = convolution_of(layer, shape)
    model = conv_timing._model(convolution, 3)
    x = np.random.default_rng(2).standard_normal((1, *shape), np.float32)
    (output,) = onnxruntime.InferenceSession(model).run(None, {"x": x})
    weights = {
        tensor.name: torch.tensor(conv_timing.numpy_helper.to_array(tensor))
        for tensor in conv_timing.onnx.load_from_string(model).graph.initializer
    }
    total = 0
    for number in range(3):
        layer.weight.copy_(weights[f"conv{number}.weight"])
        layer.bias.copy_(weights[f"conv{number}.bias"])
        total = total + layer(torch.from_numpy(x))
    np.testing.assert_allclose(output, F.relu(total).numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "rows", "columns", "groups"),
    [("plain", 3, 2, 1), ("depthwise", 5, 1, 5), ("grouped", 8, 1, 4)],
)
def test_other_widths_keep_the_kind_of_convolution(kind, rows, columns, groups):
    changed = convolution_of(*LAYERS[kind]).with_widths(rows, columns)
    assert (changed.rows, changed.columns, changed.groups) == (rows, columns, groups)
    assert changed.in_channels == columns * groups


def test_equal_layers_are_measured_once_and_cached(tmp_path, monkeypatch):
    found = [c for _, c in find_convolutions(toy_network(), torch.zeros(1, 3, 32, 32))]
    sizes = []

    def measured(convolutions, rounds):
        sizes.append(len(convolutions))
        return [float(c.multiply_adds) for c in convolutions]

    monkeypatch.setattr(conv_timing, "_measure", measured)
    cache = tmp_path / "times.json"
    cache.write_text(json.dumps({"another machine": {"a layer": 1.0}}))
    first = time_convolutions([*found, *found], cache=cache)
    assert sum(sizes) == len(set(found)) < len(found)
    assert first == {c: float(c.multiply_adds) for c in found}
    assert time_convolutions(found, cache=cache) == first
    assert sum(sizes) == len(set(found))
    stored = json.loads(cache.read_text())
    assert stored.pop("another machine") == {"a layer": 1.0}
    assert [len(times) for times in stored.values()] == [len(set(found))]
    assert onnxruntime.__version__ in next(iter(stored))


@pytest.mark.parametrize("text", ["no JSON", "[1]", '{"here": {"a layer": "fast"}}', '{"here": 1}'])
def test_a_cache_that_holds_no_times_raises(tmp_path, text):
    cache = tmp_path / "times.json"
    cache.write_text(text)
    with pytest.raises(ArgumentError, match=r"times\.json is not a file of convolution times"):
        time_convolutions([], cache=cache)
    assert cache.read_text() == text


def test_times_are_positive_and_a_large_layer_takes_longer():
    small = convolution_of(nn.Conv2d(8, 8, 1), (8, 16, 16))
    large = convolution_of(nn.Conv2d(64, 64, 3, padding=1), (64, 64, 64))  # 9200 times the work
    times = time_convolutions([small, large], rounds=3)
    assert 0 < times[small] < times[large]
