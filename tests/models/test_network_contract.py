"""Properties that every network must have."""

from dataclasses import asdict, replace

import pytest
import torch

from featheredge.errors import RecipeError, UnknownModelError, WeightsError
from featheredge.models import build
from featheredge.models.blocks import UnsharpMask
from featheredge.models.csf import CSF, CSFConfig, HeadWidths, head_widths
from featheredge.models.csnet import CSNet, CSNetConfig, fixed_split
from featheredge.models.csnet_extractor import CSNetExtractor, CSNetExtractorConfig
from featheredge.models.feather import Feather
from featheredge.models.pidinet import PiDiNet, PiDiNetConfig, to_plain
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.models.resnet import ResNetConfig
from toys import FEATHER_TOY, TOY_WIDTHS, toy_network

VGG_WIDTHS = ((3, 3), (4, 4), (5, 5, 5), (6, 6, 6), (7, 7, 7))
RESNET_WIDTHS = ((6,), (1, 2, 1, 1), (4, 4, 8, 8), (8, 12, 16, 20))
RES2NET_WIDTHS = ((3, 4, 6), (1, 1, 2, 1), (8, 8, 12, 12), (8, 12, 16, 20), 4, True)
CSNET_STAGES = (((2, 3),), ((3, 2),) * 2, ((3, 0), (4, 0)), ((0, 4), (5, 0)), ((2, 2), (6, 0)))
CSNET_HEAD = HeadWidths((3, 2, 4), ((1, 0, 1, 1, 1), (0, 0, 1, 0, 0), (1, 1, 1, 1, 1)), 5)
NETWORKS = {
    "CSF on ResNet": lambda: CSF(
        CSFConfig(ResNetConfig(*RESNET_WIDTHS), head_widths((5, 6, 7, 8)), norm_groups=0)
    ).eval(),
    "CSF on Res2Net": lambda: CSF(
        CSFConfig(ResNetConfig(*RES2NET_WIDTHS), head_widths((6, 6, 8, 8)), norm_groups=2)
    ).eval(),
    "CSNet": lambda: CSNet(CSNetConfig(CSNET_STAGES, CSNET_HEAD)).eval(),
    "CSNet 0/1": lambda: CSNet(fixed_split(4, low=1)).eval(),
    "CSNet's extractor": lambda: CSNetExtractor(CSNetExtractorConfig(CSNET_STAGES)).eval(),
    "Feather": lambda: Feather(FEATHER_TOY).eval(),
    "Feather without a fine step": lambda: Feather(replace(FEATHER_TOY, fine=0)).eval(),
    "Feather, local": lambda: Feather(replace(FEATHER_TOY, whole=False)).eval(),
    "Feather with subpixels": lambda: Feather(replace(FEATHER_TOY, fine=0, subpixels=2)).eval(),
    "Feather with a fine step and subpixels": lambda: Feather(
        replace(FEATHER_TOY, subpixels=2)
    ).eval(),
    "MobileEdge": lambda: toy_network(),
    "MobileEdge with side outputs": lambda: toy_network(side_outputs=True),
    "MobileEdge without scale enhancement": lambda: toy_network(dilations=[], top=0),
    "MobileEdge at half size": lambda: toy_network(output_stride=2, context=[2, 3]),
    "MobileEdge at a quarter": lambda: toy_network(output_stride=4),
    "MobileEdge with laterals": lambda: toy_network(
        laterals=[9, 7, 7, 5], gates=True, output_stride=4, top=0
    ),
    "PiDiNet": lambda: PiDiNet(PiDiNetConfig((4, 6, 8, 6), context=3)),
    "PiDiNet-L": lambda: PiDiNet(PiDiNetConfig((4, 6, 8, 6), context=0)),
    "PiDiNet, plain": lambda: to_plain(PiDiNet(PiDiNetConfig((4, 6, 8, 6)))),
    "RCF": lambda: RCF(RCFConfig(VGG_WIDTHS, 2, normalisation="caffe")),
    "RCF with batch norm": lambda: RCF(RCFConfig(VGG_WIDTHS, 2, batch_norm=True)).eval(),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


def picture(*size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 47), (64, 96)])
def test_logits_have_the_size_of_the_input(network, size):
    logits = network(network.normalise(picture(2, 3, *size)))
    assert logits.final.shape == (2, 1, *size)
    for logit in (logits.final, *logits.sides):
        assert logit.shape[:2] == (2, 1)
        assert all(side <= whole for side, whole in zip(logit.shape[2:], size, strict=True))
        assert torch.isfinite(logit).all()


def test_pictures_of_a_batch_do_not_mix(network):
    batch = network.normalise(picture(3, 3, 40, 56))
    together = network(batch).final
    for index in range(3):
        alone = network(batch[index : index + 1]).final
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-5)


def test_every_parameter_is_trained(network):
    network.train()
    logits = network(network.normalise(picture(2, 3, 64, 64)))
    sum(logit.square().mean() for logit in (logits.final, *logits.sides)).backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None]
    assert idle == []


def test_fixed_norms_do_not_change_what_training_computes(network):
    batch = network.normalise(picture(2, 3, 64, 64))
    expected = network.eval()(batch).final
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | UnsharpMask):
            module.eval()
    torch.testing.assert_close(network(batch).final, expected, rtol=0, atol=2e-5)


def test_the_configuration_rebuilds_the_network(network):
    twin = type(network)(network.config)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    assert {name: tensor.shape for name, tensor in twin.state_dict().items()} == shapes


def test_the_deployable_form_computes_the_same_function(network):
    image = network.eval().normalise(picture(1, 3, 45, 31))
    difference = network.deployable()(image).final - network(image).final
    assert difference.abs().max() <= 1e-5


def test_a_loaded_network_equals_the_saved_one(network, tmp_path):
    build.save(network, tmp_path / "saved")
    again = build.load(tmp_path / "saved")
    assert again.config == network.config
    image = network.normalise(picture(1, 3, 45, 31))
    torch.testing.assert_close(again(image).final, network(image).final, rtol=0, atol=0)


def test_a_damaged_file_is_named(network, tmp_path):
    build.save(network, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(WeightsError, match=str(tmp_path)):
        build.load(tmp_path)


def test_weights_of_other_widths_raise(tmp_path):
    build.save(toy_network(), tmp_path)
    build.save(toy_network(head=6), tmp_path / "wider")
    (tmp_path / "wider" / "model.safetensors").replace(tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"of another shape.*\(6,"):
        build.load(tmp_path)


def test_trained_networks_load_from_every_kind_of_source(tmp_path):
    torch.manual_seed(3)
    network = build.create_model("pidinet-tiny-l").eval()
    build.save(network, tmp_path / "saved")
    sources = [str(tmp_path / "saved"), f"pidinet-tiny-l:{tmp_path / 'saved/model.safetensors'}"]
    image = network.normalise(picture(1, 3, 20, 24))
    for source in sources:
        torch.testing.assert_close(build.load_trained(source)(image).final, network(image).final)
    assert not build.load_trained("mobile-edge").training
    with pytest.raises(UnknownModelError, match=r"nowhere.*safetensors"):
        build.load_trained("nowhere")
    with pytest.raises(WeightsError, match=r"of another shape|missing"):
        build.load_trained(f"pidinet:{tmp_path / 'saved/model.safetensors'}")


def test_unknown_names_and_fields_raise():
    with pytest.raises(UnknownModelError, match="mobile-edge"):
        build.create_model("mobil-edge")
    with pytest.raises(RecipeError, match="hed"):
        build.create_model("mobile-edge", widths={"hed": 3})
    with pytest.raises(WeightsError, match="MobileEgde"):
        build.from_config("MobileEgde", {})


def test_widths_change_only_the_named_fields():
    config = asdict(build.create_model("mobile-edge-v1", widths={"head": 8}).config)
    assert config["head"] == 8
    assert config["top"] == 1280
    assert TOY_WIDTHS["head"] != 8
