"""Groups and cuts of modules that are not of the zoo, compared with Torch-Pruning and masks."""

import pytest
import torch
import torch.nn.functional as F
import torch_pruning
from torch import nn

from featheredge.channels.cut import cut
from featheredge.channels.groups import find_groups
from featheredge.errors import ArgumentError
from masking import masked, randomised

EXAMPLE = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    """Convolutions with norms, a residual sum, a depthwise layer, a concatenation, a classifier."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.inner = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.side = nn.Conv2d(8, 6, 1)
        self.norm = nn.BatchNorm2d(14)
        self.last = nn.Conv2d(14, 10, 3, stride=2)
        self.classifier = nn.Linear(10, 4)

    def forward(self, image):
        x = self.stem(image)
        x = self.depthwise(F.relu(x + self.inner(x)))
        x = self.norm(torch.cat([x, self.side(F.max_pool2d(x, 3, 1, 1))], 1))
        return self.classifier(F.adaptive_avg_pool2d(F.relu(self.last(x)), 1).flatten(1))


class Unusual(nn.Module):
    """Grouped and transposed convolutions, a gate, PReLU slopes, a split into halves."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.slope = nn.PReLU(8)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=2)
        self.norm = nn.GroupNorm(3, 12)
        self.gate = nn.Conv2d(12, 1, 1)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.one, self.other = nn.Conv2d(3, 5, 1), nn.Conv2d(3, 4, 1)
        self.dense = nn.Linear(9 * 4, 7)
        self.classifier = nn.Linear(7, 2)

    def forward(self, image):
        x = self.norm(self.grouped(self.slope(self.stem(image))))
        first, second = self.up(x * self.gate(x).sigmoid()).chunk(2, 1)
        x = F.adaptive_avg_pool2d(torch.cat([self.one(first), self.other(second)], 1), 2)
        return self.classifier(F.relu(self.dense(x.flatten(1))))


class Blurred(nn.Module):
    """A fixed blur of each channel between convolutions, as in anti-aliased pooling."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 1)
        self.last = nn.Conv2d(4, 2, 1)
        self.register_buffer("blur", torch.full((4, 1, 3, 3), 1 / 9), persistent=False)

    def forward(self, image):
        x = F.relu(self.inner(F.relu(self.stem(image))))
        return self.last(F.conv2d(x, self.blur, padding=1, groups=4))


class Shuffled(nn.Module):
    """A channel shuffle, which ids along one axis cannot express."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.shuffle = nn.ChannelShuffle(2)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, image):
        return self.last(self.shuffle(self.conv(image)))


class HardCoded(nn.Module):
    """A forward with a hard-coded width."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(4, 1, 1)

    def forward(self, image):
        x = self.conv(image)
        return self.last(x[:, :4] + x[:, 4:8])


def build_module(kind):
    torch.manual_seed(2)
    return randomised(kind())


@pytest.mark.parametrize(
    ("layer", "drop"),
    [("stem.0", [1, 6]), ("inner", [0]), ("side", [0, 2, 5]), ("last", [3, 4]), ("depthwise", [7])],
)
def test_torch_pruning_cuts_the_same(layer, drop):
    network, reference = build_module(Plain), build_module(Plain)
    graph = torch_pruning.DependencyGraph().build_dependency(reference, EXAMPLE)
    root = reference.get_submodule(layer)
    prune = torch_pruning.prune_conv_out_channels
    if layer == "depthwise":
        prune = torch_pruning.prune_depthwise_conv_out_channels
    graph.get_pruning_group(root, prune, idxs=drop).prune()
    groups = find_groups(network, EXAMPLE)
    name = next(n for n, group in groups.items() if (f"{layer}.weight", 0) in group.axes)
    keep = [unit for unit in range(groups[name].size) if unit not in drop]
    pruned = cut(network, {name: keep}, example=EXAMPLE)
    assert pruned.state_dict().keys() == reference.state_dict().keys()
    for key, tensor in reference.state_dict().items():
        torch.testing.assert_close(pruned.state_dict()[key], tensor, rtol=0, atol=0)
    assert [repr(m) for m in pruned.modules()][1:] == [repr(m) for m in reference.modules()][1:]


def test_groups_of_a_plain_network():
    groups = find_groups(build_module(Plain), EXAMPLE)
    assert {name: group.size for name, group in groups.items()} == {
        "stem.0": 8,
        "side": 6,
        "last": 10,
    }
    assert groups["stem.0"].readers() == ["inner", "side", "last"]


def test_a_fixed_filter_keeps_what_it_reads():
    groups = find_groups(build_module(Blurred), EXAMPLE)
    assert {name: group.size for name, group in groups.items()} == {"stem": 6}


@pytest.mark.parametrize("kind", [Plain, Unusual, Blurred])
def test_cut_modules_match_masked_modules(kind):
    network = build_module(kind)
    groups = find_groups(network, EXAMPLE)
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    keep = {name: list(range(0, group.size, 2)) for name, group in groups.items() if group.size > 1}
    assert "gate" not in keep
    smaller = cut(network, keep, groups=groups, example=EXAMPLE)
    expected = masked(network, groups, keep, images)
    with torch.no_grad():
        torch.testing.assert_close(smaller(images), expected, rtol=1e-5, atol=1e-5)
    sizes = {name: group.size for name, group in groups.items()}
    left = [len(keep.get(name, range(size))) for name, size in sizes.items()]
    assert [group.size for group in find_groups(smaller, EXAMPLE).values()] == left


def test_unsupported_operations_are_named():
    with pytest.raises(ArgumentError, match=r"through Shuffled\.shuffle.*channel_shuffle"):
        find_groups(build_module(Shuffled), EXAMPLE)
    with pytest.raises(ArgumentError, match=r"Shuffled .*needs an example.*example="):
        find_groups(build_module(Shuffled))
    with pytest.raises(ArgumentError, match="example"):
        cut(build_module(Plain), {"side": [0]})


def test_a_forward_with_a_hard_coded_width_raises():
    network = build_module(HardCoded)
    (name,) = find_groups(network, EXAMPLE)
    with pytest.raises(ArgumentError, match="HardCoded does not follow"):
        cut(network, {name: [0, 2]}, example=EXAMPLE)
