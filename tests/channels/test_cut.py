"""Cut networks of the zoo, compared with the masked originals."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featheredge.channels.cut import cut
from featheredge.channels.groups import find_groups
from featheredge.errors import ArgumentError
from featheredge.models import build
from featheredge.models.csf import CSF, CSFConfig, HeadWidths
from featheredge.models.csnet import CSNet, CSNetConfig, fixed_split
from featheredge.models.csnet_extractor import CSNetExtractor, CSNetExtractorConfig
from featheredge.models.feather import Feather
from featheredge.models.pidinet import PiDiNet, PiDiNetConfig, to_plain
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.models.resnet import ResNetConfig
from masking import masked, randomised
from toys import FEATHER_TOY, toy_network

VGG = ((3, 4), (4, 5), (5, 5, 6), (6, 6, 6), (7, 7, 7))
RESNET = ResNetConfig((6,), (1, 2, 1, 1), (4, 4, 8, 8), (8, 12, 16, 20))
RES2NET = ResNetConfig((3, 4, 6), (1, 1, 2, 1), (12, 12, 12, 12), (8, 12, 16, 20), 4, True)
HEAD = HeadWidths((4, 6, 4, 6), ((2, 2, 0, 2, 2), (2, 4, 2, 0, 2), (2,) * 5, (2, 0, 4, 2, 2)), 12)
CSNET = CSNetConfig(
    (((3, 3),), ((3, 2),) * 2, ((3, 3), (4, 0)), ((2, 4), (5, 0)), ((2, 2), (6, 0))),
    HeadWidths((3, 2, 4), ((1, 0, 2, 1, 1), (2, 0, 1, 0, 0), (1, 1, 1, 2, 1)), 5),
)
NETWORKS = {
    "CSF on ResNet": lambda: CSF(CSFConfig(RESNET, HEAD, norm_groups=0)),
    "CSF on Res2Net": lambda: CSF(CSFConfig(RES2NET, HEAD, norm_groups=0)),
    "CSF with group norms": lambda: CSF(CSFConfig(RESNET, HEAD, norm_groups=2)),
    "CSNet": lambda: CSNet(CSNET),
    "CSNet 0/1": lambda: CSNet(fixed_split(4, low=1)),
    "CSNet's extractor": lambda: CSNetExtractor(CSNetExtractorConfig(CSNET.stages)),
    "Feather": lambda: Feather(FEATHER_TOY),
    "Feather with subpixels": lambda: Feather(replace(FEATHER_TOY, subpixels=2)),
    "MobileEdge": lambda: toy_network(),
    "MobileEdge with side outputs": lambda: toy_network(side_outputs=True, context=[2]),
    "MobileEdge at half size": lambda: toy_network(output_stride=2, dilations=[], top=0),
    "MobileEdge with laterals": lambda: toy_network(
        laterals=[9, 7, 7, 5], gates=True, output_stride=4, top=0
    ),
    "PiDiNet": lambda: PiDiNet(PiDiNetConfig((4, 6, 8, 6), context=3)),
    "PiDiNet, plain": lambda: to_plain(PiDiNet(PiDiNetConfig((4, 6, 8, 6), context=0))),
    "RCF": lambda: RCF(RCFConfig(VGG, 3)),
    "RCF with batch norm": lambda: RCF(RCFConfig(VGG, 3, batch_norm=True)),
}

#: Field of the configuration -> beginnings of the names of groups whose counts it sets; None for
#: groups with a constant width.
SHARED = {
    PiDiNet: {"context": ("dilations.",), None: ("attentions.",)},
    RCF: {"side": ("downs.",)},
}


@cache
def traced(name):
    torch.manual_seed(5)
    network = randomised(NETWORKS[name]())
    return network, find_groups(network)


def share(network, group):
    """What sets the count of a group, for networks with one width for several groups."""
    if isinstance(network, CSF) and network.config.norm_groups and group.startswith("head."):
        return None  # all norms lose the same number of groups: tested separately
    if isinstance(network, CSF) and group.startswith("encoder.layer"):
        stage = group.split(".")[1]
        return group if "conv3" in group else f"{stage} hidden"
    for field, prefixes in SHARED.get(type(network), {}).items():
        if group.startswith(prefixes):
            return field
    return group


@st.composite
def random_keeps(draw, network, groups):
    """Units to keep in every group, the same number for groups that share a width."""
    counts, keep = {}, {}
    for name, group in groups.items():
        field = share(network, name)
        if field is None:
            continue
        if field not in counts:
            counts[field] = draw(st.integers(1, group.size), label=field)
        units = draw(st.permutations(range(group.size)), label=name)[: counts[field]]
        keep[name] = sorted(units)
    return keep


def picture(*size):
    return torch.rand(*size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_cut_networks_match_masked_networks(name, data):
    network, groups = traced(name)
    keep = data.draw(random_keeps(network, groups))
    image = network.normalise(picture(2, 3, 37, 45))
    with torch.no_grad():
        smaller = cut(network, keep, groups=groups)
        logits, expected = smaller(image), masked(network, groups, keep, image)
    pairs = zip((logits.final, *logits.sides), (expected.final, *expected.sides), strict=True)
    for cut_map, masked_map in pairs:
        torch.testing.assert_close(cut_map, masked_map, rtol=1e-5, atol=1e-5)
    left = sum(p.numel() for p in smaller.parameters())
    dropped = any(len(units) < groups[name].size for name, units in keep.items())
    assert (left < sum(p.numel() for p in network.parameters())) == dropped


def outputs_agree(network, groups, keep):
    image = network.normalise(picture(1, 3, 40, 33))
    smaller = cut(network, keep, groups=groups)
    expected = masked(network, groups, keep, image).final
    with torch.no_grad():
        torch.testing.assert_close(smaller(image).final, expected, rtol=1e-5, atol=1e-5)
    return smaller


def test_group_norms_lose_the_same_number_of_groups():
    network, groups = traced("CSF with group norms")
    keep = {name: [1] for name, group in groups.items() if name.startswith("head.")}
    for name in [name for name in keep if name.startswith("head.context.")]:
        # Here different layers produce the two groups of channels of a norm.
        first = groups[name].axes[f"{name[:14]}.norm_act.0.weight", 0].min() == 0
        keep[name] = [0] if first else []
    smaller = outputs_agree(network, groups, keep)
    assert (smaller.config.norm_groups, smaller.config.head.merge) == (1, 6)
    with pytest.raises(ArgumentError, match="same number of groups, now 2"):
        cut(network, {"head.merge.paths.0to0": [0]}, groups=groups)


@pytest.mark.parametrize("lost", ["stages.1.0.mix.paths.0to0", "stages.2.0.mix.paths.1to1"])
def test_csnet_can_lose_a_whole_scale(lost):
    network, groups = traced("CSNet")
    smaller = outputs_agree(network, groups, {lost: []})
    stage, scale = int(lost[7]), int(lost[-1])
    assert smaller.config.stages[stage][0][scale] == 0


def test_csnet_loses_a_dilation_but_not_both_scales():
    network, groups = traced("CSNet")
    smaller = outputs_agree(network, groups, {"head.context.1.convs.0": []})
    assert smaller.config.head.dilated[1] == (0, 0, 1, 0, 0)
    both = {"stages.1.0.mix.paths.0to0": [], "stages.1.0.mix.paths.1to1": []}
    with pytest.raises(ArgumentError, match="CSNet"):
        cut(network, both, groups=groups)


def test_every_channel_of_rcf_is_in_one_group():
    network, groups = traced("RCF")
    held = {}
    for group in groups.values():
        for place, indices in group.axes.items():
            held.setdefault(place, []).extend(indices.reshape(-1).tolist())
    for tensor, value in network.state_dict().items():
        free = [] if tensor.startswith(("scores", "fuse")) else [(tensor, 0)]
        if value.ndim > 1 and not tensor.startswith(("encoder.features.0.", "fuse")):
            free.append((tensor, 1))
        for place in free:
            assert sorted(held.pop(place)) == list(range(value.shape[place[1]]))
    assert held == {}


def test_a_cut_network_is_the_same_after_saving_and_loading(tmp_path):
    network, groups = traced("MobileEdge")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    smaller = cut(network, {"encoder.features.2.conv.0.0": [1, 4, 5]}, groups=groups)
    build.save(smaller, tmp_path)
    image = network.normalise(picture(1, 3, 24, 24))
    torch.testing.assert_close(build.load(tmp_path)(image).final, smaller(image).final)
    assert smaller.config.blocks[1].hidden == 3
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_mode_and_class_stay_the_same():
    network = NETWORKS["PiDiNet"]().train()
    smaller = cut(network, {"init_block": [0, 2]})
    assert smaller.training
    assert network.training
    assert smaller.config.widths == (2, 6, 8, 6)


@pytest.mark.parametrize(
    ("name", "keep", "message"),
    [
        ("RCF", {"encoder.features.1": [0]}, r"encoder\.features\.1'.*encoder\.features\.2"),
        ("RCF", {"encoder.features.2": [0, 4]}, "units 0 to 3"),
        ("RCF", {"encoder.features.2": [1, 1]}, "each may be kept once"),
        ("RCF", {"encoder.features.2": []}, "no units for encoder.features.2"),
        ("RCF", {"downs.1.0": [0]}, "downs.1.0.weight.*same number"),
        ("MobileEdge", {"encoder.features.2.conv.0.0": []}, "keep at least one"),
        ("PiDiNet", {"attentions.0.conv1": [0]}, "attentions.0.conv1.weight.*constant"),
        ("CSF on ResNet", {"encoder.layer2.1.conv1": [0]}, "layer2.1.conv1.weight.*same number"),
        ("CSF on ResNet", {"encoder.conv1": []}, "CSF"),
        ("CSF on Res2Net", {"encoder.layer1.0.conv1[0:3]": [0]}, "CSF"),
    ],
)
def test_impossible_cuts_raise(name, keep, message):
    network, groups = traced(name)
    with pytest.raises(ArgumentError, match=message):
        cut(network, keep, groups=groups)
