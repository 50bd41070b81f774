"""Teachers are frozen, and average their maps over scales and flips."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from featheredge.errors import RecipeError
from featheredge.models.build import load_trained
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.training.teacher import Averaging, Teacher, mean_map, recorded
from toys import toy_network


def pictures(count: int = 2, size: tuple[int, int] = (40, 56), seed: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def single(network, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(network.normalise(image)).final.sigmoid()


def test_the_map_is_the_networks_own():
    image = pictures()
    torch.testing.assert_close(Teacher(toy_network())(image), single(toy_network(), image))


def test_each_teacher_normalises_its_own_way():
    torch.manual_seed(0)
    widths = ((3, 3), (4, 4), (5, 5, 5), (6, 6, 6), (7, 7, 7))
    network = RCF(RCFConfig(widths, 2, normalisation="caffe"))
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.1, 0.1)
    image = pictures()
    bgr = 255 * image[:, [2, 1, 0]] - torch.tensor([104.00699, 116.66877, 122.67892])[:, None, None]
    with torch.no_grad():
        expected = network(bgr).final.sigmoid()
    torch.testing.assert_close(Teacher(network)(image), expected)


def test_nothing_trains_a_teacher():
    teacher = Teacher(toy_network().train())
    assert not any(module.training for module in teacher.modules())
    parent = torch.nn.ModuleList([teacher]).train()
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    assert parent.training
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not teacher(pictures()).requires_grad
    assert not teacher.features(pictures(), "encoder").requires_grad
    for key, value in teacher.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_scales_and_flips_are_averaged():
    image, expected = pictures(), torch.zeros(2, 1, 40, 56)
    for size in ((20, 28), (60, 84)):
        for mirrored in (False, True):
            copy = F.interpolate(image.flip(3) if mirrored else image, size, mode="bilinear")
            map = F.interpolate(single(toy_network(), copy), (40, 56), mode="bilinear")
            expected += (map.flip(3) if mirrored else map) / 4
    teacher = Teacher(toy_network(), Averaging(scales=(0.5, 1.5), flip=True))
    torch.testing.assert_close(teacher(image), expected)


def test_a_mirrored_picture_has_the_mirrored_map():
    teacher, image = Teacher(toy_network(), Averaging(flip=True)), pictures()
    torch.testing.assert_close(teacher(image.flip(3)), teacher(image).flip(3))


def test_several_teachers_are_averaged():
    networks, image = [toy_network(seed) for seed in range(3)], pictures()
    expected = sum(single(network, image) for network in networks) / 3
    torch.testing.assert_close(mean_map([Teacher(n) for n in networks], image), expected)


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, -1.0)])
def test_wrong_scales_are_refused(scales):
    with pytest.raises(ValidationError, match="scales"):
        Averaging(scales=scales)


def test_features_are_the_encoders_last_map():
    network, image = toy_network(), pictures()
    with torch.no_grad():
        expected = network.encoder(network.normalise(image))[-1]
    torch.testing.assert_close(Teacher(network).features(image, "encoder"), expected)


def test_features_cost_nothing_beyond_their_layer():
    network, called = toy_network(), []
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda *_, name=name: called.append(name))
    Teacher(network).features(pictures(), "encoder")
    assert called == ["encoder"]


def test_recording_ends_with_its_context():
    network, image = toy_network(), pictures()
    with recorded(network, "steps.1") as maps:
        network(image)
        network(image)
    network(image)
    assert len(maps) == 2
    assert maps[0].requires_grad, "a student's features must carry gradients"
    with pytest.raises(RecipeError, match=r"stages\.1.*encoder"), recorded(network, "stages.1"):
        pass


def test_fingerprints_tell_weights_and_averaging_apart():
    variants = [
        Teacher(toy_network()),
        Teacher(toy_network(seed=1)),
        Teacher(toy_network(), Averaging(flip=True)),
        Teacher(toy_network(dilations=[2, 4])),
    ]
    assert len({teacher.fingerprint() for teacher in variants}) == len(variants)
    assert Teacher(toy_network()).fingerprint() == variants[0].fingerprint()


def test_a_shipped_network_has_one_fingerprint():
    fingerprints = {Teacher(load_trained("feather-saliency-s")).fingerprint() for _ in range(2)}
    assert len(fingerprints) == 1
