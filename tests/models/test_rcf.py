"""RCF, compared with the published network layer by layer, and both name schemes it loads."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import save_file

from featheredge.deploy.export import export_network
from featheredge.errors import WeightsError
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.models.tensors import load_backbone, load_weights

#: VGG16 by stage (Simonyan and Zisserman, table 1, configuration D).
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
TOY_STAGES = ((3, 2), (4, 2), (5, 3), (6, 3), (7, 3))


def toy(**fields) -> RCF:
    torch.manual_seed(0)
    widths: Any = tuple((width,) * count for width, count in TOY_STAGES)
    network = RCF(RCFConfig(widths, side=2, **fields)).eval()
    for parameter in network.parameters():
        # Large enough that every layer affects the output.
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    return network


def public_state(stages=STAGES, side=21) -> dict[str, torch.Tensor]:
    """The names and shapes of the authors' checkpoint."""
    random, shapes, before = torch.Generator().manual_seed(3), {}, 3
    for stage, (width, count) in enumerate(stages, start=1):
        for index in range(1, count + 1):
            shapes[f"conv{stage}_{index}"] = (width, before, 3, 3)
            shapes[f"conv{stage}_{index}_down"] = (side, width, 1, 1)
            before = width
        shapes[f"score_dsn{stage}"] = (1, side, 1, 1)
    shapes["score_final"] = (1, 5, 1, 1)
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.rand(shape, generator=random) - 0.5
        state[f"{name}.bias"] = torch.rand(shape[0], generator=random) - 0.5
    return state


def slow_rcf(state, stages, image):
    """The authors' architecture as a list of steps, with their names."""

    def conv(name, x, **options):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    x, maps = image, []
    for stage, (_, count) in enumerate(stages, start=1):
        if stage in (2, 3, 4):
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        if stage == 5:
            x = F.max_pool2d(x, 2, 1)
        dilation, total = 2 if stage == 5 else 1, 0
        for index in range(1, count + 1):
            x = F.relu(conv(f"conv{stage}_{index}", x, padding=dilation, dilation=dilation))
            total = total + conv(f"conv{stage}_{index}_down", x)
        maps.append(conv(f"score_dsn{stage}", total))
    height, width = image.shape[-2:]
    for stage, (size, stride, crop) in enumerate([(4, 2, 1), (8, 4, 2), (16, 8, 4), (16, 8, 0)], 1):
        ramp = 1 - (torch.arange(size) - (size - 1) / 2).abs() / stride
        kernel = (ramp[:, None] * ramp)[None, None]
        large = F.conv_transpose2d(maps[stage], kernel, stride=stride)
        maps[stage] = large[..., crop : crop + height, crop : crop + width]
    return conv("score_final", torch.cat(maps, 1)), maps


def test_parameters_of_the_published_network():
    assert sum(p.numel() for p in create_model("rcf").parameters()) == 14_803_781


def test_multiply_adds_of_the_published_network():
    assert multiply_adds(lambda: create_model("rcf"), 321, 481) == pytest.approx(61.68e9, rel=5e-4)


@pytest.mark.parametrize("size", [(32, 48), (37, 50), (33, 41)])
def test_it_equals_the_steps_of_the_authors(size):
    network, state = toy(), public_state(TOY_STAGES, side=2)
    load_weights(network, network.published(state), "public")
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    logits = network(image)
    final, maps = slow_rcf(state, TOY_STAGES, image)
    torch.testing.assert_close(logits.final, final, rtol=1e-5, atol=1e-4)
    for result, target in zip(logits.sides, reversed(maps), strict=True):
        torch.testing.assert_close(result, target, rtol=1e-5, atol=1e-4)


def test_the_authors_checkpoint_fits():
    network, state = create_model("rcf"), public_state()
    load_weights(network, network.published(state), "public")
    loaded = network.encoder.features[28].weight
    torch.testing.assert_close(loaded, state["conv5_3.weight"])
    state["conv5_4.weight"] = torch.zeros(1)
    with pytest.raises(WeightsError, match=r"unknown, such as conv5_4\.weight"):
        load_weights(network, network.published(state), "public")


#: Indices of the convolutions in torchvision's `vgg16` and `vgg16_bn`.
PLAIN_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
NORMED_INDICES = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_torchvision_files_load(batch_norm, tmp_path):
    state = {"classifier.0.weight": torch.zeros(2, 2)}
    widths = [(width, index) for width, count in STAGES for index in range(count)]
    before = 3
    for (width, _), index in zip(
        widths, NORMED_INDICES if batch_norm else PLAIN_INDICES, strict=True
    ):
        state[f"features.{index}.weight"] = torch.rand(width, before, 3, 3)
        state[f"features.{index}.bias"] = torch.rand(width)
        if batch_norm:
            for part in ("weight", "bias", "running_mean", "running_var"):
                state[f"features.{index + 1}.{part}"] = torch.rand(width)
        before = width
    save_file(state, tmp_path / "vgg16.safetensors")
    network = create_model("rcf", widths={"batch_norm": batch_norm})
    load_backbone(network, tmp_path / "vgg16.safetensors")
    for key, tensor in network.encoder.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(tensor, state[key])


def test_both_normalisations():
    red = torch.zeros(1, 3, 1, 1)
    red[:, 0] = 1
    caffe = RCF(RCFConfig(normalisation="caffe")).normalise(red).flatten()
    torch.testing.assert_close(caffe, torch.tensor([-104.00699, -116.66877, 255 - 122.67892]))
    imagenet = toy().normalise(red).flatten()
    expected = torch.tensor([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    torch.testing.assert_close(imagenet, expected)


def test_the_fusion_starts_as_the_mean_of_the_sides():
    torch.manual_seed(0)
    network = RCF(toy().config)
    logits = network(torch.randn(1, 3, 32, 32))
    mean = torch.stack(logits.sides).mean(0)
    torch.testing.assert_close(logits.final, mean, rtol=1e-4, atol=1e-6)


def test_invalid_widths_raise():
    with pytest.raises(ValidationError, match="widths"):
        RCFConfig(widths=((64, 64), (128,)))


@pytest.mark.slow
def test_any_size_exports(tmp_path):
    # The export is checked on pictures of one pixel, where the overlapping pooling has one cell.
    assert export_network(toy(), tmp_path / "rcf.onnx", name="toy", task="edges") <= 1e-4
