"""The fusion head, and CSF on ResNets, compared with the published sizes."""

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from featheredge.deploy.export import export_network
from featheredge.errors import ArgumentError
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds
from featheredge.models.csf import (
    CSF,
    DILATIONS,
    CSFConfig,
    CSFHead,
    HeadWidths,
    MultiScale,
    head_widths,
)
from featheredge.models.resnet import ResNetConfig
from featheredge.models.tensors import load_backbone

TOY = CSFConfig(
    ResNetConfig((3, 4, 6), (1, 2, 1, 1), (8, 8, 12, 12), (8, 12, 16, 20), 4, True),
    HeadWidths((4, 4, 6, 6), ((0, 1, 1, 1, 1), *((1, 1, 2, 1, 1),) * 3), 8),
    norm_groups=2,
)


@pytest.mark.parametrize(
    ("name", "num_params"),
    # 36.53 M is the authors' Res2Net-50; ResNet-50 has 53 % of PoolNet's 68.26 M (Gao et al.).
    [("csf-res2net50", 36.53e6), ("csf-resnet50", 0.53 * 68.26e6)],
)
def test_parameters_of_the_published_networks(name, num_params):
    with torch.device("meta"):
        counted = sum(p.numel() for p in create_model(name).parameters())
    assert counted == pytest.approx(num_params, rel=0.006 if "resnet" in name else 1e-4)


def test_multiply_adds_of_the_published_network():
    counted = multiply_adds(lambda: create_model("csf-res2net50"), 224, 224)
    assert counted / 1e9 == pytest.approx(7.78, abs=0.005)


def test_the_published_head_gives_the_rest_to_the_widest_dilation():
    widths = head_widths((128, 53))
    assert widths == HeadWidths((128, 53), ((25, 25, 25, 25, 28), (10, 10, 10, 10, 13)), 181)


@pytest.mark.parametrize("left_out", range(5))
def test_the_receptive_field_follows_the_dilations(left_out):
    widths = tuple(int(index != left_out) for index in range(5))
    block = MultiScale(1, widths, torch.nn.BatchNorm2d).eval()
    for conv in block.convs.values():
        torch.nn.init.ones_(conv.weight)
    impulse = torch.zeros(1, 1, 41, 41)
    impulse[0, 0, 20, 20] = 1
    reached = block(impulse)[0].abs().amax(2)
    reaches = [DILATIONS[index] for index in range(5) if index != left_out]
    for channel, reach in zip(reached, reaches, strict=True):
        assert channel.nonzero().flatten().tolist() == [20 - reach, 20, 20 + reach]


def test_every_stage_reaches_the_logits():
    torch.manual_seed(0)
    head = CSFHead((3, 4, 5), head_widths((5, 5, 6)), "max").eval()
    maps = [torch.randn(1, 3 + i, 16 >> i, 24 >> i, requires_grad=True) for i in range(3)]
    logits = head(maps)
    assert logits.shape == (1, 1, 16, 24)
    logits.square().sum().backward()
    assert all(x.grad.abs().amax() > 0 for x in maps)


def test_group_norm_does_not_depend_on_the_mode_and_batch_norm_does():
    torch.manual_seed(0)
    image = torch.randn(2, 3, 64, 64)
    for groups, same in ((2, True), (0, False)):
        network = CSF(CSFConfig(TOY.encoder, TOY.head, groups)).eval()
        quiet = network(image).final
        network.head.train()
        assert torch.allclose(network(image).final, quiet) == same


def test_head_widths_that_do_not_fit_raise():
    with pytest.raises(ArgumentError, match="each of 3 stages"):
        CSFHead((3, 4, 5), head_widths((5, 5)), "max")
    with pytest.raises(ArgumentError, match="channels in every layer"):
        CSFHead((3, 4), HeadWidths((5, 0), ((1,) * 5, (1,) * 5), 4), "max")
    with pytest.raises(ValidationError, match="merge"):
        HeadWidths(fuse=(5,), dilated=((1,) * 5,), merge=0)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [0, 2])
def test_it_exports(groups, tmp_path):
    torch.manual_seed(0)
    network = CSF(CSFConfig(TOY.encoder, TOY.head, groups))
    assert export_network(network, tmp_path / "a.onnx", name="toy", task="saliency") <= 1e-4


def test_a_classifier_file_loads_into_the_encoder(tmp_path):
    torch.manual_seed(1)
    network, donor = CSF(TOY), CSF(TOY)
    state = {key: torch.rand_like(x.float()) for key, x in donor.encoder.state_dict().items()}
    classifier = {"fc.weight": torch.rand(10, 20), "fc.bias": torch.rand(10)}
    save_file(state | classifier, tmp_path / "res2net.safetensors")
    load_backbone(network, tmp_path / "res2net.safetensors")
    for key, tensor in network.encoder.state_dict().items():
        torch.testing.assert_close(tensor, state[key].to(tensor.dtype))
