"""ResNet-50 and Res2Net-50, compared with published sizes, names and definitions."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from featheredge.models.resnet import RES2NET50, RESNET50, ResNet, ResNetConfig
from featheredge.models.tensors import load_weights

TOY = ResNetConfig((6,), (1, 2, 1, 1), (4, 4, 8, 8), (8, 12, 16, 20))
TOY_RES2 = ResNetConfig((3, 4, 6), (1, 2, 1, 1), (8, 8, 12, 12), (8, 12, 16, 20), 4, True)
DEPTHS, HIDDEN = (3, 4, 6, 3), (64, 128, 256, 512)


def norm_keys(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{leaf}": (channels,) for leaf in leaves}


def published_shapes(res2: bool) -> dict[str, tuple[int, ...]]:
    """torchvision's `resnet50`, or the authors' `res2net50_v1b_26w_4s`, without the classifier."""
    shapes = {"conv1.weight": (64, 3, 7, 7), **norm_keys("bn1", 64)}
    if res2:
        del shapes["conv1.weight"]
        for index, (out, channels) in {0: (32, 3), 3: (32, 32), 6: (64, 32)}.items():
            shapes[f"conv1.{index}.weight"] = (out, channels, 3, 3)
        shapes |= norm_keys("conv1.1", 32) | norm_keys("conv1.4", 32)
    before = 64
    for stage, (depth, planes) in enumerate(zip(DEPTHS, HIDDEN, strict=True)):
        part = planes * 26 // 64
        hidden, out = 4 * part if res2 else planes, 4 * planes
        for block in range(depth):
            key = f"layer{stage + 1}.{block}"
            shapes[f"{key}.conv1.weight"] = (hidden, before, 1, 1)
            shapes[f"{key}.conv3.weight"] = (out, hidden, 1, 1)
            shapes |= norm_keys(f"{key}.bn1", hidden) | norm_keys(f"{key}.bn3", out)
            if res2:
                for index in range(3):
                    shapes[f"{key}.convs.{index}.weight"] = (part, part, 3, 3)
                    shapes |= norm_keys(f"{key}.bns.{index}", part)
            else:
                shapes[f"{key}.conv2.weight"] = (hidden, hidden, 3, 3)
                shapes |= norm_keys(f"{key}.bn2", hidden)
            if block == 0:
                conv, norm = (1, 2) if res2 else (0, 1)
                shapes[f"{key}.downsample.{conv}.weight"] = (out, before, 1, 1)
                shapes |= norm_keys(f"{key}.downsample.{norm}", out)
            before = out
    return shapes


@pytest.mark.parametrize(("config", "res2"), [(RESNET50, False), (RES2NET50, True)])
def test_public_files_fit(config, res2):
    with torch.device("meta"):
        network = ResNet(config)
        state = {key: torch.empty(shape) for key, shape in published_shapes(res2).items()}
        load_weights(network, state, "public")


def size(config: ResNetConfig) -> tuple[int, float]:
    """Parameters, and multiply-adds in 10^9 at 224 x 224."""
    with torch.device("meta"):
        network = ResNet(config).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 224, 224))
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() / 2e9


def test_published_sizes():
    # Published with the classifier: 25,557,032 (torchvision) and 25.72 M (the authors).
    classifier = 2048 * 1000 + 1000
    num_params, gmacs = size(RESNET50)
    assert num_params == 25_557_032 - classifier
    assert gmacs == pytest.approx(4.09, abs=0.005)
    assert size(RES2NET50)[0] + classifier == pytest.approx(25.72e6, abs=5000)


def with_random_norms(config: ResNetConfig) -> ResNet:
    """A toy network whose norms do not have their initial values."""
    torch.manual_seed(0)
    network = ResNet(config).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
    return network


def steps(network: ResNet, image: torch.Tensor, parts: int) -> list[torch.Tensor]:
    """The published computation, step by step, with the public names."""
    state = network.state_dict()

    def norm(name, x):
        leaves = (state[f"{name}.{leaf}"] for leaf in ("running_mean", "running_var"))
        return F.batch_norm(x, *leaves, state[f"{name}.weight"], state[f"{name}.bias"])

    def conv(name, x, stride=1):
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    if parts == 1:
        x = conv("conv1", image, 2)
    else:
        x = norm("conv1.1", conv("conv1.0", image, 2)).relu()
        x = conv("conv1.6", norm("conv1.4", conv("conv1.3", x)).relu())
    x = F.max_pool2d(norm("bn1", x).relu(), 3, 2, 1)
    stages = []
    for stage, depth in enumerate(TOY.depths, start=1):
        for block in range(depth):
            key, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y, shortcut = norm(f"{key}.bn1", conv(f"{key}.conv1", x)).relu(), x
            if parts == 1:
                y = norm(f"{key}.bn2", conv(f"{key}.conv2", y, stride)).relu()
            else:
                split = y.split(y.shape[1] // parts, 1)
                results: list[torch.Tensor] = []
                for index in range(parts - 1):
                    z = split[index]
                    if block and index:
                        z = z + results[-1]
                    z = conv(f"{key}.convs.{index}", z, stride)
                    results.append(norm(f"{key}.bns.{index}", z).relu())
                last = split[-1] if block else F.avg_pool2d(split[-1], 3, stride, 1)
                y = torch.cat([*results, last], 1)
            if block == 0 and parts == 1:
                shortcut = norm(f"{key}.downsample.1", conv(f"{key}.downsample.0", x, stride))
            elif block == 0:
                pooled = F.avg_pool2d(x, stride, stride, ceil_mode=True, count_include_pad=False)
                shortcut = norm(f"{key}.downsample.2", conv(f"{key}.downsample.1", pooled))
            x = (norm(f"{key}.bn3", conv(f"{key}.conv3", y)) + shortcut).relu()
        stages.append(x)
    return stages


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (1, 1)])
@pytest.mark.parametrize("config", [TOY, TOY_RES2])
def test_it_equals_the_published_steps(config, size):
    network = with_random_norms(config)
    image = torch.randn(2, 3, *size)
    for result, target in zip(network(image), steps(network, image, config.parts), strict=True):
        torch.testing.assert_close(result, target, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("config", [TOY, TOY_RES2])
def test_strides_round_up(config):
    sizes = [tuple(x.shape[1:]) for x in ResNet(config).eval()(torch.rand(1, 3, 33, 70))]
    assert sizes == [(8, 9, 18), (12, 5, 9), (16, 3, 5), (20, 2, 3)]


def test_parts_that_do_not_divide_raise():
    with pytest.raises(ValueError, match="4 hidden channels cannot be divided into 3"):
        ResNet(ResNetConfig(hidden=(4, 6, 6, 6), parts=3))
