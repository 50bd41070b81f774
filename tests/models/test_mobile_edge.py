"""MobileEdge, compared with the published sizes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from featheredge.errors import WeightsError
from featheredge.models.blocks import ScaleEnhancement
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds
from featheredge.models.mobile_edge import MobileEdge, MobileEdgeConfig
from featheredge.models.mobilenet import (
    MOBILENET_V2,
    Bottleneck,
    InvertedResidual,
    MobileNetV2,
)
from featheredge.models.tensors import load_backbone
from toys import TOY_WIDTHS, toy_network

BACKBONE = Path(__file__).parents[2] / "../shared/backbones/mobilenet_v2_imagenet.safetensors"


@pytest.mark.parametrize(
    ("widths", "num_params"),
    [
        ({}, 2_368_249),
        ({"side_outputs": True}, 2_375_819),
        ({"dilations": []}, 2_367_545),
        ({"top": 0}, 1_853_369),
    ],
)
def test_parameters_of_the_published_student(widths, num_params):
    network = create_model("mobile-edge-v1", widths=widths)
    assert sum(p.numel() for p in network.parameters()) == num_params


def test_multiply_adds_of_the_published_student():
    counted = multiply_adds(lambda: create_model("mobile-edge-v1"), 321, 481)
    assert counted == pytest.approx(1.135e9, rel=5e-4)


def test_mobilenet_has_the_published_parameters():
    # 3,504,872 with the classifier's 1280 x 1000 + 1000 (Sandler et al., table 4: 3.4 M)
    encoder = MobileNetV2()
    assert sum(p.numel() for p in encoder.parameters()) == 3_504_872 - 1_281_000
    assert encoder.tap_widths == (16, 24, 32, 96, 1280)


#: Expansion, channels and repeats of each stage (Sandler et al., table 2).
MOBILENET_TABLE = (
    (1, 16, 1),
    (6, 24, 2),
    (6, 32, 3),
    (6, 64, 4),
    (6, 96, 3),
    (6, 160, 3),
    (6, 320, 1),
)


def torchvision_state() -> dict[str, torch.Tensor]:
    """torchvision's `mobilenet_v2` keys and shapes, from its documentation."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv_norm(conv: str, norm: str, *shape: int) -> None:
        shapes[f"{conv}.weight"] = shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{part}"] = shape[:1]
        shapes[f"{norm}.num_batches_tracked"] = ()

    conv_norm("features.0.0", "features.0.1", 32, 3, 3, 3)
    before, index = 32, 1
    for t, c, n in MOBILENET_TABLE:
        for _ in range(n):
            hidden, key, layer = before * t, f"features.{index}.conv", 0
            if t != 1:
                conv_norm(f"{key}.0.0", f"{key}.0.1", hidden, before, 1, 1)
                layer = 1
            conv_norm(f"{key}.{layer}.0", f"{key}.{layer}.1", hidden, 1, 3, 3)
            conv_norm(f"{key}.{layer + 1}", f"{key}.{layer + 2}", c, hidden, 1, 1)
            before, index = c, index + 1
    conv_norm("features.18.0", "features.18.1", 1280, 320, 1, 1)
    shapes |= {"classifier.1.weight": (1000, 1280), "classifier.1.bias": (1000,)}
    return {key: torch.rand(shape) for key, shape in shapes.items()}


def test_torchvision_files_load(tmp_path):
    state = torchvision_state()
    save_file(state, tmp_path / "mobilenet_v2.safetensors")
    network = create_model("mobile-edge-v1")
    load_backbone(network, tmp_path / "mobilenet_v2.safetensors")
    loaded = network.encoder.state_dict()
    assert {k for k in state if not k.startswith("classifier")} == set(loaded)
    for key, tensor in loaded.items():
        torch.testing.assert_close(tensor, state[key].to(tensor.dtype))


def test_an_incomplete_backbone_raises(tmp_path):
    state = torchvision_state()
    del state["features.5.conv.1.0.weight"]
    save_file(state, tmp_path / "half.safetensors")
    with pytest.raises(WeightsError, match=r"1 missing, such as features\.5\.conv\.1\.0\.weight"):
        load_backbone(create_model("mobile-edge-v1"), tmp_path / "half.safetensors")


@pytest.mark.data
@pytest.mark.skipif(not BACKBONE.is_file(), reason=f"no ImageNet backbone at {BACKBONE}")
def test_the_imagenet_backbone_gives_features_of_moderate_scale():
    network = create_model("mobile-edge-v1")
    load_backbone(network, BACKBONE)
    assert len(load_file(BACKBONE)) == len(network.encoder.state_dict())
    taps = network.eval().encoder(network.normalise(torch.rand(1, 3, 96, 96)))
    for tap in taps:
        assert 0.05 < tap.std() < 20


def test_the_fusion_of_side_outputs_starts_as_a_mean():
    network = toy_network(side_outputs=True)
    logits = network(network.normalise(torch.rand(1, 3, 64, 64)))
    assert len(logits.sides) == 5
    mean = torch.stack(logits.sides).mean(0)
    torch.testing.assert_close(logits.final, mean, rtol=0, atol=1e-5)


def test_an_encoder_that_ends_early_loads_its_layers(tmp_path):
    state = torchvision_state()
    save_file(state, tmp_path / "mobilenet_v2.safetensors")
    network = MobileEdge(MobileEdgeConfig(blocks=MOBILENET_V2[:6], top=0))
    load_backbone(network, tmp_path / "mobilenet_v2.safetensors")
    for key, tensor in network.encoder.state_dict().items():
        torch.testing.assert_close(tensor, state[key].to(tensor.dtype))
    assert "features.7.conv.0.0.weight" not in network.encoder.state_dict()


def test_too_few_halvings_raise():
    with pytest.raises(ValueError, match="stride 2"):
        toy_network(blocks=TOY_WIDTHS["blocks"][:1], top=0)


def test_side_outputs_need_output_stride_1():
    with pytest.raises(ValueError, match="set output_stride 1"):
        toy_network(side_outputs=True, output_stride=2)


@pytest.mark.parametrize("stride", [2, 4])
def test_at_output_strides_an_impulse_does_not_move(stride):
    network = toy_network(output_stride=stride, dilations=[])
    impulse = torch.zeros(1, 1, 32 // stride, 48 // stride)
    impulse[0, 0, 3, 5] = 1
    made = []
    network.outputs[0].register_forward_hook(lambda *call: made.append(call[-1]) or impulse)
    logits = network(network.normalise(torch.rand(1, 3, 32, 48))).final[0, 0]
    assert made[0].shape == impulse.shape
    assert logits.shape == (32, 48)
    for axis, cell in ((0, 3), (1, 5)):
        marginal = logits.sum(1 - axis)
        centroid = (marginal * torch.arange(len(marginal))).sum() / marginal.sum()
        assert centroid == pytest.approx((cell + 0.5) * stride - 0.5, abs=1e-5)


def test_a_residual_between_different_widths_raises():
    with pytest.raises(ValueError, match="8 -> 6"):
        InvertedResidual(8, Bottleneck(16, 6, residual=True), "relu")


def test_the_receptive_field_of_scale_enhancement_follows_its_dilations():
    module = ScaleEnhancement(1, (2, 5)).eval()
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)
        parameter.data *= 1.0
    impulse = torch.zeros(1, 1, 21, 21)
    quiet = module(impulse)
    impulse[0, 0, 10, 10] = 1
    rows = (module(impulse) - quiet)[0, 0].abs().sum(1).nonzero().flatten()
    assert (rows.min(), rows.max()) == (10 - 1 - 5, 10 + 1 + 5)
