"""PiDiNet, compared with the definition of its differences and the published network."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import load_file

from featheredge.deploy.export import export_network
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds
from featheredge.models.pidinet import DifferenceConv, PiDiNet, PiDiNetConfig, to_plain
from featheredge.models.tensors import load_weights

PEER = Path(__file__).parents[2] / "../shared/peers/pidinet_bsds_voc.safetensors"
TOY = PiDiNetConfig((4, 6, 8, 6), context=3)

#: Clockwise around a pixel from the upper left, as (row, column) steps.
RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def slow_difference(x: torch.Tensor, weight: torch.Tensor, kind: str) -> torch.Tensor:
    """The difference convolution of one channel (H, W), pixel by pixel."""
    height, width = x.shape
    padded = F.pad(x, (2, 2, 2, 2))
    out = torch.zeros_like(x)
    for row in range(height):
        for column in range(width):

            def at(step, scale=1, row=row, column=column):
                return padded[row + 2 + scale * step[0], column + 2 + scale * step[1]]

            for index, step in enumerate(RING):
                w = weight[step[0] + 1, step[1] + 1]
                if kind == "cd":
                    out[row, column] += w * (at(step) - at((0, 0)))
                elif kind == "ad":
                    out[row, column] += w * (at(step) - at(RING[(index + 1) % 8]))
                else:
                    out[row, column] += w * (at(step, 2) - at(step))
    return out


@pytest.mark.parametrize("kind", ["cd", "ad"])
@given(seed=st.integers(0, 2**31))
@settings(max_examples=10)
def test_differences_are_those_of_the_paper(kind, seed):
    random = torch.Generator().manual_seed(seed)
    layer, x = DifferenceConv(kind, 1, 1), torch.randn(1, 1, 5, 6, generator=random)
    layer.weight.data = torch.randn(1, 1, 3, 3, generator=random)
    expected = slow_difference(x[0, 0], layer.weight[0, 0], kind)
    torch.testing.assert_close(layer(x)[0, 0], expected, rtol=0, atol=1e-5)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10)
def test_radial_differences_are_those_of_the_paper(seed):
    random = torch.Generator().manual_seed(seed)
    layer, x = DifferenceConv("rd", 1, 1), torch.randn(1, 1, 5, 6, generator=random)
    layer.weight.data = torch.randn(1, 1, 3, 3, generator=random)
    # Published layout: the first weight has no effect, the other eight are in row order.
    by_row = sorted(RING)
    weight = torch.zeros(3, 3)
    for step, value in zip(by_row, layer.weight.flatten()[1:], strict=True):
        weight[step[0] + 1, step[1] + 1] = value
    expected = slow_difference(x[0, 0], weight, "rd")
    torch.testing.assert_close(layer(x)[0, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["cd", "ad", "rd"])
def test_flat_pictures_have_no_differences(kind):
    layer = DifferenceConv(kind, 2, 3)
    inner = layer(torch.full((1, 2, 9, 9), 7.0))[..., 2:-2, 2:-2]
    torch.testing.assert_close(inner, torch.zeros_like(inner), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "num_params", "num_plain"),
    [
        ("pidinet", 710_149, 720_709),
        ("pidinet-l", 611_289, 621_849),
        ("pidinet-small", 183_763, 189_043),
        ("pidinet-small-l", 158_949, 164_229),
        ("pidinet-tiny", 84_477, 87_997),
        ("pidinet-tiny-l", 73_369, 76_889),
    ],
)
def test_parameters_of_the_published_networks(name, num_params, num_plain):
    network = create_model(name)
    assert sum(p.numel() for p in network.parameters()) == num_params
    assert sum(p.numel() for p in to_plain(network).parameters()) == num_plain


@pytest.mark.parametrize("config", [TOY, PiDiNetConfig((3, 4, 5, 6), ("rd",) * 16, 0)])
def test_the_plain_form_is_the_same_function(config):
    torch.manual_seed(0)
    network, image = PiDiNet(config).eval(), torch.randn(2, 3, 37, 50)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    plain = to_plain(network)
    assert {"cd", "ad", "rd"}.isdisjoint(plain.config.kinds)
    assert not plain.training
    result, expected = plain(image), network(image)
    for map, target in zip(
        (result.final, *result.sides), (expected.final, *expected.sides), strict=True
    ):
        torch.testing.assert_close(map, target, rtol=0, atol=1e-5)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_sides_come_coarse_to_fine_and_fuse_fine_to_coarse():
    torch.manual_seed(0)
    network = PiDiNet(TOY)
    network.classifier.weight.data = torch.randn(1, 4, 1, 1)
    for stage, reduction in enumerate(network.conv_reduces):
        reduction.conv.bias.data.fill_(100 * stage)
    logits = network(torch.randn(1, 3, 64, 64))
    assert [round(side.mean().item() / 100) for side in logits.sides] == [3, 2, 1, 0]
    fused = F.conv2d(torch.cat(logits.sides[::-1], 1), network.classifier.weight)
    torch.testing.assert_close(logits.final, fused)


def test_stages_halve_and_round_down():
    features = PiDiNet(TOY).features(torch.rand(2, 3, 37, 50))
    assert [tuple(x.shape) for x in features] == [
        (2, 4, 37, 50),
        (2, 6, 18, 25),
        (2, 8, 9, 12),
        (2, 6, 4, 6),
    ]


def test_invalid_configurations_raise():
    with pytest.raises(ValidationError, match="kinds"):
        PiDiNetConfig(kinds=("cd",) * 15)
    with pytest.raises(ValidationError, match="xd"):
        PiDiNetConfig(kinds=("xd",) * 16)


@pytest.mark.parametrize(
    ("name", "gmacs"),
    [
        ("pidinet", 12.47),
        ("pidinet-l", 7.81),
        ("pidinet-small", 3.38),
        ("pidinet-small-l", 2.21),
        ("pidinet-tiny", 1.62),
        ("pidinet-tiny-l", 1.10),
    ],
)
def test_multiply_adds_of_the_published_networks(name, gmacs):
    counted = multiply_adds(lambda: to_plain(create_model(name)), 321, 481)
    assert counted / 1e9 == pytest.approx(gmacs, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("plain", [False, True])
def test_both_forms_export(plain, tmp_path):
    torch.manual_seed(0)
    network = PiDiNet(TOY)
    network = to_plain(network) if plain else network
    assert export_network(network, tmp_path / "a.onnx", name="toy", task="edges") <= 1e-4


@pytest.mark.data
@pytest.mark.skipif(not PEER.is_file(), reason=f"no published PiDiNet weights at {PEER}")
def test_the_published_weights_load_and_detect_a_step():
    network = create_model("pidinet").eval()
    load_weights(network, load_file(PEER), str(PEER))
    picture = torch.full((1, 3, 96, 96), 0.1)
    picture[..., 48:] = 0.9
    with torch.inference_mode():
        image = network.normalise(picture)
        edges = network(image).final.sigmoid()[0, 0]
        plain = to_plain(network)(image).final.sigmoid()[0, 0]
    torch.testing.assert_close(plain, edges, rtol=0, atol=1e-5)
    assert edges[16:80, 46:50].amax(1).min() > 0.5
    assert edges[16:80, 8:32].max() < 0.2
