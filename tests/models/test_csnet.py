"""CSNet, compared with the published sizes, multiply-adds, learned widths and weights."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from safetensors.torch import load_file

from featheredge.deploy.export import export_network
from featheredge.errors import ArgumentError, RecipeError
from featheredge.models.build import create_model, list_networks
from featheredge.models.cost import multiply_adds
from featheredge.models.csf import HeadWidths
from featheredge.models.csnet import CSNet, CSNetConfig, fixed_split
from featheredge.models.octave import GeneralOctConv
from featheredge.models.tensors import load_weights

PEERS = Path(__file__).parents[2] / "../shared/peers"
published = pytest.mark.skipif(not PEERS.is_dir(), reason=f"no published CSNet in {PEERS}")
LEARNED = ["csnet-l-x1", "csnet-l-x2"]
HEAD = HeadWidths((3, 3, 4), ((0, 1, 1, 1, 1), (1, 0, 1, 1, 1), (1, 1, 1, 1, 1)), 6)
TOY = CSNetConfig(
    (((3, 2),), ((2, 3),), ((3, 2), (4, 0)), ((3, 2), (5, 0)), ((2, 4), (6, 0))), HEAD
)


@pytest.mark.parametrize(
    ("name", "num_params", "gmacs"),
    [
        ("csnet-x1", 210_985, 0.433),
        ("csnet-x2", 788_631, 1.516),
        ("csnet-l-x1", 93_647, 0.284),
        ("csnet-l-x2", 140_894, 0.496),
    ],
)
def test_sizes_of_the_published_networks(name, num_params, gmacs):
    assert sum(p.numel() for p in create_model(name).parameters()) == num_params
    assert multiply_adds(lambda: create_model(name), 224, 224) / 1e9 == pytest.approx(
        gmacs, abs=5e-4
    )


@pytest.mark.parametrize("low", [0, 0.25, 0.5, 0.75, 1])
def test_splits_move_channels_between_scales(low):
    config = fixed_split(12, low)
    assert {sum(block) for block in config.stages[0]} == {12}
    assert all(coarse == low * (fine + coarse) for fine, coarse in config.stages[3][:-1])
    network = CSNet(config).eval()
    assert sum(p.numel() for p in network.parameters()) == sum(
        p.numel() for p in CSNet(fixed_split(12)).parameters()
    )
    assert network(torch.rand(1, 3, 19, 33)).final.shape == (1, 1, 19, 33)


def test_coarser_channels_cost_less():
    work = [multiply_adds(lambda s=low: CSNet(fixed_split(20, s)), 224, 224) for low in (0, 0.5, 1)]
    assert work == sorted(work, reverse=True)


def test_the_extractor_at_half_resolution_takes_less_work():
    low, high = (
        multiply_adds(lambda name=name: create_model(f"csnet-extractor-{name}"), 224, 224)
        for name in ("0-1", "1-0")
    )
    sizes = {
        sum(p.numel() for p in create_model(name).parameters())
        for name in list_networks("csnet-extractor-*")
    }
    assert len(sizes) == 1
    assert low < 0.56 * high  # the paper: 44 % fewer


def test_stages_halve_from_the_third_stage():
    sizes = []
    network = CSNet(TOY).eval()
    for stage in network.stages:
        stage.register_forward_hook(
            lambda _module, _inputs, maps: sizes.append([tuple(x.shape[1:]) for x in maps])
        )
    network(torch.rand(1, 3, 20, 33))  # padded to 32 x 48
    assert sizes == [
        [(3, 32, 48), (2, 16, 24)],
        [(2, 32, 48), (3, 16, 24)],
        [(4, 16, 24)],
        [(5, 8, 12)],
        [(6, 4, 6)],
    ]


def test_a_picture_is_padded_by_its_border():
    torch.manual_seed(0)
    network = CSNet(TOY).eval()
    image = torch.randn(1, 3, 20, 40)
    larger = torch.cat([image, image[..., -1:, :].expand(-1, -1, 12, -1)], 2)
    larger = torch.cat([larger, larger[..., -1:].expand(-1, -1, -1, 8)], 3)
    torch.testing.assert_close(network(image).final, network(larger).final[..., :20, :40])


def test_invalid_configurations_raise():
    with pytest.raises(ArgumentError, match="last block of a fused stage"):
        CSNet(CSNetConfig((*TOY.stages[:4], ((2, 4),)), HEAD))
    with pytest.raises(ArgumentError, match="needs at least one block"):
        CSNet(CSNetConfig(((), *TOY.stages[1:]), HEAD))
    with pytest.raises(ArgumentError, match="share"):
        fixed_split(20, 1.5)
    with pytest.raises(RecipeError, match="stages"):
        create_model("csnet-x1", widths={"stages": [[[1, 2, 3]]] * 5})


@pytest.mark.slow
def test_the_exported_graph_has_no_padding_inside(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "a.onnx"
    assert export_network(CSNet(TOY), path, name="toy", task="saliency", storage="fp32") <= 1e-4
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Pad") == 1, "the pad of the picture"
    assert kinds.count("Slice") <= 2, "the crop of the map, by row and by column"


def widths_of(path: Path) -> CSNetConfig:
    """The published table: [in, out] widths of every block, then of the head, then depths."""
    *blocks, fuse, multi, merge, depths = json.loads(path.read_text())
    blocks = [[(*map(int, out), 0)[:2] for _, out in blocks][i] for i in range(len(blocks))]
    stages: Any = []
    for depth in (1, *depths):
        stages.append(tuple(blocks[:depth]))
        blocks = blocks[depth:]
    dilated: Any = tuple(tuple(map(int, scale)) for scale in multi[2])
    head = HeadWidths(tuple(map(int, fuse[1])), dilated, int(merge[1][0]))
    return CSNetConfig(tuple(stages), head)


@pytest.mark.data
@published
@pytest.mark.parametrize("name", LEARNED)
def test_learned_widths_equal_the_published_ones(name):
    path = PEERS / f"{name.replace('-', '_')}_widths.json"
    assert create_model(name).config == widths_of(path)


@pytest.mark.data
@published
@pytest.mark.parametrize("name", LEARNED)
def test_published_weights_load_and_detect_an_object(name):
    network = create_model(name).eval()
    path = PEERS / f"{name.replace('-', '_')}.safetensors"
    state = load_file(path)
    before = {key: tensor.clone() for key, tensor in state.items()}
    load_weights(network, network.published(state), str(path))
    assert all(torch.equal(state[key], tensor) for key, tensor in before.items())
    picture = torch.full((1, 3, 224, 224), 0.2)
    picture[:, 0, 70:150, 60:160] = 0.9
    with torch.inference_mode():
        mask = network(network.normalise(picture)).final.sigmoid()[0, 0]
    assert mask[80:140, 70:150].mean() > 0.7
    assert mask[:50].mean() < 0.2


def test_published_kernels_are_split_and_scaled_once():
    network = CSNet(TOY)
    mix = network.stages[2][0].mix
    assert isinstance(mix, GeneralOctConv)
    joint = torch.randn(5, 5, 3, 3)
    public = {
        "stage2.0.conv1x1.conv.weight": joint,
        "stage2.0.conv3x3_1.convs.1.weight": torch.full((2, 1, 3, 3), 0.02),
        "stage2.0.conv3x3_2.prelus.0.weight": torch.full((3,), 0.25),
        "oct_fuse.ms.convs.0.msconv.1.weight": torch.full((1, 3, 3, 3), 0.03),
        "oct_fuse.fuse1x1.bns.0.running_var": torch.full((6,), 7.0),
        "cls_layer.bias": torch.full((1,), 8.0),
    }
    renamed = network.published(public)
    assert set(renamed) <= set(network.state_dict())
    again = network.published(renamed)
    assert all(torch.equal(again[name], tensor) for name, tensor in renamed.items())
    low, high = "stages.2.0.mix.paths.0to0.weight", "stages.2.0.mix.paths.1to0.weight"
    assert torch.equal(renamed[low], joint[:3, :2])
    assert torch.equal(renamed[high], joint[:3, 2:])
    assert renamed["stages.2.0.depthwise1.1.0.weight"].unique().item() == pytest.approx(2)
    assert renamed["head.context.0.convs.1.weight"].unique().item() == pytest.approx(3)
    assert renamed["stages.2.0.depthwise2.0.1.1.weight"].unique().item() == 0.25
    assert renamed["head.merge_act.0.0.running_var"].unique().item() == 7
    assert renamed["head.classifier.bias"].item() == 8
