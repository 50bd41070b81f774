"""Export with rewrites: the same maps, counted rewrites, and a file that says what it is."""

import numpy as np
import pytest
import torch
from PIL import Image

from featheredge.deploy.export import export_network
from featheredge.deploy.export_rewritten import export_rewritten
from featheredge.errors import WeightsError
from featheredge.models.csf import HeadWidths
from featheredge.models.csnet import CSNet, CSNetConfig
from featheredge.models.network import Network
from featheredge.models.tensors import read_onnx
from featheredge.session import Session
from rewrite_graphs import shuffled

SIDE_PX = 32

TOY = CSNetConfig(
    (((2, 3),), ((3, 2),), ((4, 0),), ((4, 0),), ((5, 0),)),
    HeadWidths((3, 3, 3), ((1, 1, 0, 0, 1), (0, 1, 1, 1, 0), (1, 1, 1, 0, 1)), 6),
)


@pytest.fixture(scope="module")
def network() -> Network:
    """A CSNet with slopes of at most 0.9 and norms that are not at their initial values."""
    torch.manual_seed(0)
    network = shuffled(CSNet(TOY)).eval()
    assert isinstance(network, CSNet)
    return network


@pytest.mark.slow
def test_a_rewritten_network_has_the_maps_of_the_plain_one(network, tmp_path, noise):
    picture = tmp_path / "picture.png"
    Image.fromarray(noise(40, 50)).save(picture)
    plain, fast = tmp_path / "plain.onnx", tmp_path / "fast.onnx"
    facts = {"name": "toy", "task": "saliency", "input_px": SIDE_PX}
    export_network(network, plain, **facts, storage="fp32")
    rewritten = export_rewritten(network, fast, **facts, pictures=[picture])
    assert rewritten.difference < 1e-5
    assert rewritten.counts.norms == sum(
        isinstance(m, torch.nn.BatchNorm2d) for m in network.modules()
    )
    assert rewritten.counts.split == sum(isinstance(m, torch.nn.PReLU) for m in network.modules())
    assert "noise and 1 pictures" in str(rewritten)
    images = [noise(40, 100, seed) for seed in range(3)]
    for ours, theirs in zip(
        Session(fast).batch(images, size=2), Session(plain).batch(images, size=2), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    with pytest.raises(WeightsError, match="exported with --rewrite"):
        read_onnx(fast)
