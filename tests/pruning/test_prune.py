"""Choose channels and refit their readers, compared with slow code and other criteria."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.linear_model import Lasso
from torch import nn

from featheredge.channels.groups import find_groups
from featheredge.errors import ArgumentError
from featheredge.models.cost import num_params
from featheredge.models.csnet import CSNet, fixed_split
from featheredge.models.pidinet import PiDiNet, PiDiNetConfig
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.pruning import error_curves
from featheredge.pruning.criteria import by_lasso
from featheredge.pruning.error_curves import compare
from featheredge.pruning.group_error import Sampling
from featheredge.pruning.normal_equations import measure, sample_outputs
from featheredge.pruning.prune import prune
from featheredge.pruning.refit import make_reader
from toys import toy_network

CORRELATED, WIDTHS = 4, (12, 16, 12)


def pictures(count, side=20, channels=3):
    """Smooth noise: neighbouring pixels are similar, as in photographs."""
    noise = torch.rand(
        count, channels, side + 4, side + 4, generator=torch.Generator().manual_seed(1)
    )
    return list(F.avg_pool2d(noise, 5, 1).mul(4).split(1))


def vgg(dilation=1, stride=1, bias=True):
    """Convolutions whose channels are mixtures of a few, plus noise: pruning can find these."""
    torch.manual_seed(0)
    layers, channels = [], 3
    for width in WIDTHS:
        conv = nn.Conv2d(channels, width, 3, stride, dilation, dilation, bias=bias)
        with torch.no_grad():
            base = torch.randn(CORRELATED, channels, 3, 3)
            mix = torch.randn(width, CORRELATED) * torch.rand(width, 1)
            conv.weight.copy_(torch.einsum("oc,cihw->oihw", mix, base) / (9 * channels) ** 0.5)
            conv.weight.add_(0.02 * torch.randn_like(conv.weight))
        layers += [conv, nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, 1))


def reader_of(network, layer, inputs, **options):
    group = next(g for g in find_groups(network, inputs[0]).values() if layer in g.readers())
    return make_reader(network, layer, group, equations_of(network, layer, inputs, **options))


def equations_of(network, layer, inputs, **options):
    outputs = sample_outputs(network, [layer], inputs, **options)
    return measure(network, [layer], inputs, outputs)[layer]


def unfolded(network, layer, inputs):
    """(N, C k k) patches and (N, O) outputs at every position, from PyTorch's `unfold`."""
    conv, patches, outputs = network[layer], [], []
    for x in inputs:
        x = network[:layer](x)
        unfold = F.unfold(x, conv.kernel_size, conv.dilation, conv.padding, conv.stride)
        patches.append(unfold[0].T)
        outputs.append(conv(x)[0].flatten(1).T)
    return torch.cat(patches).double().numpy(), torch.cat(outputs).double().numpy()


@pytest.mark.parametrize(("dilation", "stride"), [(1, 1), (2, 1), (1, 2), (3, 2)])
@torch.no_grad()
def test_sampled_patches_reproduce_the_outputs_of_the_layer(dilation, stride):
    network, inputs = vgg(dilation, stride), pictures(3)
    reader = reader_of(network, "2", inputs, points=40)
    assert reader.equations.error(reader.kernel) < 1e-9
    assert reader.equations.gram[-1, -1] == 3 * 40
    # Many random positions have the same moments as all positions.
    x, y = unfolded(network, 2, inputs)
    many = reader_of(network, "2", inputs, points=20_000).equations
    np.testing.assert_allclose(many.gram[-1, :-1] / many.gram[-1, -1], x.mean(0), atol=0.02)
    np.testing.assert_allclose(
        many.energy / many.gram[-1, -1], np.square(y).sum(1).mean(), rtol=0.1
    )


def test_a_network_stops_after_the_last_sampled_layer():
    network, inputs = vgg(), pictures(2)
    ran = []
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))
    outputs = sample_outputs(network, ["2"], inputs, points=5)
    measure(network, ["2"], inputs, outputs)
    assert ran == ["0", "1", "2"] * 4
    network(inputs[0])
    assert ran[12:] == [name for name, _ in network.named_children()]


@torch.no_grad()
def test_memory_does_not_grow_with_the_number_of_pictures():
    network = vgg()
    few, many = (reader_of(network, "2", pictures(n), points=5).equations for n in (2, 20))
    assert few.gram.shape == many.gram.shape == (12 * 9 + 1, 12 * 9 + 1)
    assert few.cross.shape == many.cross.shape == (12 * 9 + 1, 16)


@torch.no_grad()
def test_refit_is_the_least_squares_solution():
    network, inputs = vgg(), pictures(4)
    equations = equations_of(network, "2", inputs, points=200, seed=3)
    reader = reader_of(network, "2", inputs, points=200, seed=3)
    keep = np.array([0, 3, 4, 8])
    fitted = reader.refitted(keep, ridge=1e-9)
    assert equations.error(fitted) < equations.error(reader.without(keep))
    columns = np.append(reader.entries[keep].reshape(-1), -1)
    solution = np.linalg.lstsq(
        equations.gram[np.ix_(columns, columns)], equations.cross[columns], rcond=None
    )
    expected = np.zeros_like(fitted)
    expected[:, columns] = solution[0].T
    assert equations.error(fitted) == pytest.approx(equations.error(expected), rel=1e-3)
    strong = reader.refitted(keep, ridge=1e9)
    np.testing.assert_allclose(strong[:, :-1], reader.without(keep)[:, :-1], atol=1e-6)


@torch.no_grad()
def test_contributions_and_choice_agree_with_the_design_matrix():
    network, inputs = vgg(), pictures(3)
    x, y = unfolded(network, 2, inputs)
    reader = reader_of(network, "2", inputs)
    reader.equations.gram[:], reader.equations.cross[:], reader.equations.energy = 0, 0, 0.0
    reader.equations.add(torch.from_numpy(x), torch.from_numpy(y))
    parts = [x[:, c] @ reader.kernel[:, c].T for c in reader.entries]
    design = np.stack([(part - part.mean(0)).reshape(-1) for part in parts], 1)
    target = (y - y.mean(0)).reshape(-1)
    products, targets = (part * reader.equations.energy for part in reader.contributions())
    np.testing.assert_allclose(products, design.T @ design, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(targets, design.T @ target, rtol=1e-5, atol=1e-5)
    # Coordinate descent on all points, with falling penalties.
    sizes = set()
    for penalty in np.geomspace(1, 1e-3, 30) * np.abs(design.T @ target).max() / len(target):
        factors = Lasso(penalty, fit_intercept=False, tol=1e-8, max_iter=20_000)
        chosen = np.flatnonzero(factors.fit(design, target).coef_)
        if 0 < len(chosen) < len(parts) and len(chosen) not in sizes:
            sizes.add(len(chosen))
            assert by_lasso(network, None, [reader], len(chosen), None).tolist() == chosen.tolist()
    assert len(sizes) > 3


def errors(rows):
    return {(row.group, row.criterion, row.refit): row.error for row in rows}


def test_lasso_with_refit_has_the_least_error_on_correlated_channels():
    network, inputs = vgg(), pictures(8)
    counts = {"0": 5, "2": 6, "4": 5}
    table = errors(compare(network, counts, Sampling(inputs, points=100)))
    for criterion in ("lasso", "magnitude", "geometric-median", "random"):
        for group in counts:
            # Other criteria may choose the same channels, but no better ones.
            assert table[group, "lasso", True] <= table[group, criterion, True]
            assert table[group, criterion, True] < table[group, criterion, False]
        if criterion != "lasso":
            worse = [table[g, criterion, True] / table[g, "lasso", True] for g in counts]
            assert np.prod(worse) > 8
    assert max(table[group, "lasso", True] for group in counts) < 0.05


def test_group_errors_predict_the_error_of_the_pruned_network():
    network, inputs = vgg(), pictures(8)
    sampling = Sampling(inputs, points=100)
    with torch.no_grad():
        wanted = torch.cat([network(x) for x in inputs])
    losses = {}
    for criterion in ("lasso", "magnitude", "random"):
        for refit in (False, True):
            pruned, steps = prune(
                network, {"0": 6, "2": 6, "4": 5}, sampling, criterion=criterion, refit=refit
            )
            with torch.no_grad():
                got = torch.cat([pruned(x) for x in inputs])
            losses[criterion, refit] = float((got - wanted).square().mean() / wanted.var())
            # The last layer reads the last group: its error is the network's, up to sampling.
            assert losses[criterion, refit] == pytest.approx(steps[-1].error, rel=0.3)
            assert [layer.out_channels for layer in pruned[::2]] == [6, 6, 5, 1]
    assert min(losses, key=losses.get) == ("lasso", True)


def test_the_same_seed_gives_the_same_network():
    network, sampling = vgg(), Sampling(pictures(2), points=20, seed=4)
    first, second = (prune(network, {"2": 3}, sampling)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    different = prune(network, {"2": 3}, Sampling(pictures(2), points=20, seed=5))[0].state_dict()
    assert not torch.equal(first["4.weight"], different["4.weight"])


def test_groups_measured_together_have_the_same_errors_as_alone(monkeypatch):
    network, sampling = toy_network(), Sampling(pictures(2, side=32), points=20)
    counts = {n: max(1, g.size // 2) for n, g in find_groups(network, sampling.inputs[0]).items()}
    counts = {n: c for n, c in counts.items() if n.endswith("conv.0.0")}
    together = compare(network, counts, sampling)
    monkeypatch.setattr(error_curves, "_MAX_BYTES", 1)
    assert compare(network, counts, sampling) == together


def test_constant_channels_are_removed_first_and_all_channels_can_be_kept():
    network = vgg()
    with torch.no_grad():
        network[2].weight[[1, 7]] = 0
        network[2].bias[[1, 7]] = -1.0
    sampling = Sampling(pictures(2), points=50)
    pruned, steps = prune(network, {"2": 14}, sampling)
    assert steps[0].error < 1e-6
    with torch.no_grad():
        outputs = torch.cat([network[:4](x) for x in sampling.inputs])
    alive = (outputs > 0).float().mean((0, 2, 3)) > 0.2
    assert set(network[2].bias[alive].tolist()) <= set(pruned[2].bias.tolist())
    whole, _ = prune(network, {"2": 16}, sampling)
    assert whole[2].out_channels == 16
    with torch.no_grad():
        x = sampling.inputs[0]
        torch.testing.assert_close(whole(x), network(x), rtol=1e-3, atol=1e-4)


def test_layers_without_bias_are_refitted_without_bias():
    network, sampling = vgg(bias=False), Sampling(pictures(3), points=60)
    pruned, steps = prune(network, {"0": 6}, sampling)
    assert pruned[2].bias is None
    assert steps[0].error < prune(network, {"0": 6}, sampling, refit=False)[1][0].error


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(lambda: toy_network(), id="MobileEdge"),
        pytest.param(
            lambda: RCF(RCFConfig(((4, 4), (6, 6), (6, 6, 6), (6, 6, 6), (6, 6, 6)), 3)), id="RCF"
        ),
        pytest.param(lambda: CSNet(fixed_split(6)), id="CSNet"),
        pytest.param(lambda: PiDiNet(PiDiNetConfig((6, 6, 8, 8), context=0)), id="PiDiNet"),
    ],
)
def test_networks_of_the_zoo_are_pruned(network):
    torch.manual_seed(0)
    network = network().eval()
    groups = [group for group in find_groups(network).values() if group.size > 3]
    counts = {group.name: group.size // 2 for group in groups[:6]}
    inputs = [network.normalise(x) for x in pictures(2, side=32)]
    pruned, steps = prune(network, counts, Sampling(inputs, points=30))
    assert [step.group for step in steps] == list(counts)
    assert num_params(pruned) < num_params(network)
    assert all(np.isfinite(step.error) for step in steps)
    assert type(pruned) is type(network)
    with torch.no_grad():
        assert torch.isfinite(pruned(inputs[0]).final).all()


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ({"1": 3}, {}, "'1'; choose from 0, 2, 4"),
        ({"0": 13}, {}, "cannot keep 13 units of 0; give a count from 1 to 12"),
        ({"0": 0}, {}, "cannot keep 0 units"),
        ({"0": 3}, {"criterion": "lassso"}, "'lassso'; choose one of lasso, magnitude"),
    ],
)
def test_invalid_counts_and_criteria_raise(counts, options, message):
    with pytest.raises(ArgumentError, match=message):
        prune(vgg(), counts, Sampling(pictures(1)), **options)
    with pytest.raises(ArgumentError, match="inputs is empty; give some"):
        prune(vgg(), {"0": 3}, Sampling([]))


def test_layers_that_cannot_be_refitted_are_named():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 18 * 18, 2))
    with pytest.raises(ArgumentError, match=r"^3 is Linear.*only an nn\.Conv2d"):
        prune(network, {"0": 2}, Sampling(pictures(1)))
    unread = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 2))
    for function in (prune, compare):
        with pytest.raises(ArgumentError, match=r"no convolution reads 0,"):
            function(unread, {"0": 2}, Sampling(pictures(1)))


def test_impossible_widths_raise_before_anything_is_measured():
    network = RCF(RCFConfig(((4, 4), (4, 4), *[(4, 4, 4)] * 3), 3))
    unused = [torch.zeros(1, 3, 16, 16), "not a picture"]
    with pytest.raises(ArgumentError, match=r"downs\.1"):
        prune(network, {"downs.0.0": 2}, Sampling(unused))


def test_lasso_with_refit_has_the_least_error_on_photographs():
    torch.manual_seed(0)
    network = RCF(RCFConfig(((8, 8), (12, 12), *[(16, 16, 16)] * 3), 4)).eval()
    examples = Path(__file__).parents[2] / "examples"
    inputs = []
    for path in sorted(examples.glob("*.jpg")):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize((96, 64)))
        inputs.append(network.normalise(torch.tensor(pixels).permute(2, 0, 1)[None] / 255))
    counts = {"encoder.features.2": 4, "encoder.features.12": 8, "encoder.features.19": 8}
    table = errors(compare(network, counts, Sampling(inputs, points=300)))
    for group in counts:
        for criterion in ("magnitude", "geometric-median", "random"):
            for refit in (False, True):
                assert table[group, "lasso", True] < table[group, criterion, refit]
