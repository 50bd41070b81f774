"""Export: the file computes what PyTorch computes, and carries everything needed to go on."""

import copy
import json
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch

from featheredge.deploy import export as deploy
from featheredge.errors import ArgumentError, WeightsError
from featheredge.models.build import from_config
from featheredge.models.network import Logits, Network
from featheredge.models.octave import GeneralOctConv
from featheredge.models.resample import crop_like, fit, shrink
from featheredge.models.tensors import load_weights, read_onnx
from featheredge.resize import resize
from featheredge.session import Session
from toys import toy_network

pytestmark = pytest.mark.usefixtures("share_traces")

KINDS = {"plain": {}, "side outputs": {"side_outputs": True}}


@pytest.fixture(scope="module", params=KINDS)
def exported(request, tmp_path_factory, share_traces):
    network = toy_network(**KINDS[request.param])
    path = tmp_path_factory.mktemp("onnx") / "toy.onnx"
    difference = deploy.export_network(network, path, name="toy", task="edges", storage="fp32")
    return network, path, difference


def by_hand(network, image: np.ndarray) -> np.ndarray:
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        return network(network.normalise(pixels)).final.sigmoid()[0, 0].numpy()


@pytest.mark.parametrize("size", [(32, 64), (33, 47), (1, 1), (95, 64)])
def test_parity_at_any_size(exported, size, noise):
    network, path, _ = exported
    session = onnx_session(path)
    image = noise(*size)
    ours = session.run(None, {"image": image[None]})[0][0]
    np.testing.assert_allclose(ours, by_hand(network, image), rtol=0, atol=1e-4)


def onnx_session(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_the_difference_is_measured(exported):
    assert 0 <= exported[2] <= deploy.MAX_DIFFERENCE


def test_the_session_runs_the_file(exported, noise):
    network, path, _ = exported
    image = noise(64, 96)
    session = Session(path)
    assert (session.name, session.task, session.stride) == ("toy", "edges", 32)
    np.testing.assert_allclose(session(image), by_hand(network, image), rtol=0, atol=1e-4)


def test_a_network_for_squares_says_so(tmp_path, noise):
    network = toy_network()
    path = tmp_path / "square.onnx"
    deploy.export_network(
        network, path, name="square", task="saliency", input_px=64, storage="fp32"
    )
    session = Session(path, task="saliency")
    assert session.input_px == 64
    image = noise(40, 100)
    expected = resize(by_hand(network, resize(image, 64, 64)), 40, 100)
    np.testing.assert_allclose(session(image), expected, rtol=0, atol=1e-4)
    for side in (65, 32 * 10**8):
        with pytest.raises(ArgumentError, match=f"input_px is {side}; expected a multiple of 32"):
            deploy.export_network(network, path, name="odd", task="saliency", input_px=side)


def test_a_batch_equals_its_pictures(exported, noise):
    session = onnx_session(exported[1])
    images = np.stack([noise(40, 33, seed) for seed in range(3)])
    together = session.run(None, {"image": images})[0]
    for image, map in zip(images, together, strict=True):
        alone = session.run(None, {"image": image[None]})[0][0]
        np.testing.assert_allclose(map, alone, rtol=0, atol=1e-6)


def test_the_trained_network_can_be_read_back(exported):
    network, path, _ = exported
    facts = json.loads(onnx.load(path).metadata_props[0].value)
    again = from_config(facts["network"], facts["config"])
    load_weights(again, read_onnx(path), "the file")
    for key, tensor in network.state_dict().items():
        if "num_batches" not in key:
            assert torch.equal(again.state_dict()[key], tensor), key


@pytest.fixture(scope="module")
def half(tmp_path_factory, share_traces):
    """An fp16 file of a network that was in training mode, and the network's state before."""
    network = toy_network().train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    path = tmp_path_factory.mktemp("half") / "toy.onnx"
    deploy.export_network(network, path, name="toy", task="edges", storage="fp16")
    return network, path, before


def test_half_storage_halves_the_file_and_hardly_moves_the_map(half, noise):
    network, path, _ = half
    tensors = [t for t in onnx.load(path).graph.initializer if "." in t.name and len(t.dims) > 1]
    assert tensors
    assert {t.data_type for t in tensors} == {onnx.TensorProto.FLOAT16}
    rounded = copy.deepcopy(network)
    for parameter in rounded.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.half().float()
    image = noise(64, 64)
    ours = Session(path)(image)
    np.testing.assert_allclose(ours, by_hand(rounded.eval(), image), rtol=0, atol=1e-5)
    assert 0 < np.abs(ours - by_hand(network.eval(), image)).max() < 5e-3
    network.train()


def test_negligible_numbers_become_zero(exported, noise):
    network = copy.deepcopy(exported[0])
    norm = network.encoder.features[0][1]
    with torch.no_grad():
        norm.running_var[0], norm.weight[1], norm.weight[2] = 1e-42, 1e-20, 1e-11
        network.outputs[0][-1].weight.flatten()[0] = -1e-13
    before = by_hand(network, noise(33, 47))
    untouched = network.outputs[0][-1].weight.flatten()[1:].clone()
    deploy._round(network, "fp32")
    assert norm.running_var[0] == norm.weight[1] == network.outputs[0][-1].weight.flatten()[0] == 0
    assert norm.weight[2] == torch.tensor(1e-11)
    assert torch.equal(network.outputs[0][-1].weight.flatten()[1:], untouched)
    np.testing.assert_allclose(by_hand(network, noise(33, 47)), before, rtol=0, atol=1e-6)


def test_the_exported_network_is_left_as_it_was(half):
    network, _, before = half
    assert network.training
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())


def test_a_file_that_differs_is_not_written(exported, tmp_path, monkeypatch):
    network, path, _ = exported
    monkeypatch.setattr(deploy, "_to_onnx", lambda _: onnx.load(path))
    other = toy_network(seed=5, side_outputs=network.config.side_outputs)
    with pytest.raises(WeightsError, match="not written"):
        deploy.export_network(other, tmp_path / "a.onnx", name="toy", task="edges", storage="fp32")
    assert list(tmp_path.iterdir()) == []


class TwoScales(Network):
    """One octave convolution of a picture and its half."""

    @dataclass(frozen=True)
    class Config:
        pass

    stride, config = 2, Config()

    def __init__(self):
        super().__init__()
        self.layer = GeneralOctConv((3, 3), (1,), balance=True)

    def forward(self, image):
        fine = fit(image, self.stride)
        (logits,) = self.layer([fine, shrink(fine, 2, "average")])
        return Logits(crop_like(logits, image), ())


def test_a_learned_balance_is_folded_into_the_kernels(tmp_path, noise):
    network, path = TwoScales().eval(), tmp_path / "balanced.onnx"
    torch.nn.init.normal_(network.layer.balance["0"])
    deploy.export_network(network, path, name="balanced", task="edges", input_px=16, storage="fp32")
    graph = onnx.load(path).graph
    assert "layer.paths.0to0.weight" in {weight.name for weight in graph.initializer}
    image = noise(16, 16)
    np.testing.assert_allclose(
        onnx_session(path).run(None, {"image": image[None]})[0][0],
        by_hand(network, image),
        atol=1e-5,
    )
    assert network.layer.balance  # the exported network is left as it was
