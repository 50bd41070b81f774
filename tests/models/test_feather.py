"""Feather: its receptive field, training-only parameters, and public encoder weights."""

from dataclasses import replace

import pytest
import torch

from featheredge.deploy.export import export_network
from featheredge.errors import WeightsError
from featheredge.models.blocks import ConvNormAct, resize_like
from featheredge.models.build import create_model
from featheredge.models.cost import num_params
from featheredge.models.feather import Feather, FeatherConfig
from featheredge.models.mobilenet import EFFICIENTNET_LITE0, MobileNetV2
from featheredge.models.tensors import load_weights, read_onnx
from toys import FEATHER_TOY


def toy(**changes) -> Feather:
    torch.manual_seed(0)
    network = Feather(replace(FEATHER_TOY, **changes))
    for weight in network.outputs.parameters():
        torch.nn.init.normal_(weight)
    return network


def test_the_encoder_is_efficientnet_lite0():
    # 4,652,008 parameters with the 1x1 layer to 1280 and the classifier, as published.
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert num_params(MobileNetV2(32, EFFICIENTNET_LITE0, 0)) + head == 4_652_008


@pytest.mark.parametrize("whole", [True, False])
def test_pixels_depend_on_the_whole_picture_only_if_asked(whole):
    network = toy(whole=whole, context_kernels=(3,)).eval()
    picture = torch.rand(1, 3, 32, 512, requires_grad=True)
    network(picture).final[0, 0, 5, 5].backward()
    far = picture.grad[0, :, :, 384:].abs().sum()
    assert (far > 0) == whole


def test_steps_predict_at_their_own_sizes():
    sides = toy()(torch.rand(2, 3, 64, 96)).sides
    assert [tuple(side.shape[-2:]) for side in sides] == [(4, 6), (8, 12), (16, 24)]


def test_subpixels_can_interpolate_like_bilinear_enlargement():
    plain, finer = toy(fine=0), toy(fine=0, subpixels=2)
    state = plain.state_dict()
    weight, bias = state.pop("outputs.2.weight"), state.pop("outputs.2.bias")
    halves = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
    state["outputs.2.0.weight"] = torch.stack(
        [weight[0] * torch.outer(row, column) for row in halves for column in halves]
    )
    state["outputs.2.0.bias"] = bias.repeat(4)
    finer.load_state_dict(state)
    picture = torch.rand(1, 3, 64, 96)
    seen: list[torch.Tensor] = []
    for network in (plain, finer):
        network.outputs[-1].register_forward_hook(lambda _, __, logits: seen.append(logits))
        network.eval()(picture)
    coarse, fine = seen
    inside = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(fine[inside], resize_like(coarse, fine)[inside])


def test_a_sharper_network_has_the_same_weights_and_a_sharper_map():
    plain, sharp = (toy(sharpen=amount).eval() for amount in (0, 1))
    assert all(map(torch.equal, plain.state_dict().values(), sharp.state_dict().values()))
    image = torch.rand(1, 3, 40, 56)
    roughness = [network(image).final.diff(dim=2).abs().mean() for network in (plain, sharp)]
    assert roughness[1] > 1.1 * roughness[0]


def test_a_mask_of_any_strength_is_exported_exactly(tmp_path):
    path = tmp_path / "toy.onnx"
    assert export_network(toy(sharpen=0.6), path, name="toy", task="edges") < 1e-5


def test_an_exported_file_loads_without_training_only_parameters(tmp_path):
    network = toy().eval()
    export_network(
        network, tmp_path / "toy.onnx", name="toy", task="saliency", input_px=64, storage="fp32"
    )
    state = read_onnx(tmp_path / "toy.onnx")
    assert not any(key.startswith("outputs.0.") for key in state)
    again = Feather(FEATHER_TOY).eval()
    load_weights(again, state, "toy.onnx")
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(again(picture).final, network(picture).final)
    del state["outputs.3.weight"]
    with pytest.raises(WeightsError, match=r"missing.*outputs.3"):
        load_weights(again, state, "toy.onnx")


def test_too_many_steps_for_the_blocks_raise():
    with pytest.raises(ValueError, match=r"halve the picture 4 times, but 4 steps need 6"):
        Feather(replace(FEATHER_TOY, steps=(4, 4, 4, 4)))
    with pytest.raises(ValueError, match="steps"):
        FeatherConfig(steps=())


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 6), (2, 6)])
def test_a_fixed_norm_passes_its_gradients(stride, groups):
    torch.manual_seed(1)
    layer = ConvNormAct(6, 6, stride=stride, groups=groups, activation="none").train()
    conv, norm = layer[0], layer[1].eval()
    torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    x = torch.rand(2, 6, 9, 9)
    gradients = []
    for run in (layer, lambda x: norm(conv(x))):
        layer.zero_grad()
        run(x).square().sum().backward()
        gradients.append([p.grad.clone() for p in layer.parameters()])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("name", "most", "stride"), [("mobile-edge-s", 300_000, 16), ("mobile-edge-xs", 80_000, 8)]
)
def test_the_small_ones_are_small(name, most, stride):
    network = create_model(name)
    assert sum(p.numel() for p in network.parameters()) <= most
    assert network.stride == stride


def test_small_networks_do_little_work_at_full_size():
    # Only the stem runs at full size; all else runs at half size or less.
    network = create_model("mobile-edge-xs")
    sizes = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: sizes.append(out.shape[-1]))
    network(torch.rand(1, 3, 64, 64))
    assert max(sizes) == 32
