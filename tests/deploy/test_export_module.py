"""Export of modules that are not of the zoo."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from featheredge.deploy import export_module as module
from featheredge.deploy.export_module import export_module
from featheredge.errors import WeightsError


class Pair(nn.Module):
    """Two answers by name."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        nn.init.uniform_(self.norm.running_mean)

    def forward(self, image):
        x = self.norm(self.conv(image))
        return {"all": x, "mean": 1e4 * x.mean((2, 3))}


def test_the_file_computes_what_the_module_does(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network, example = Pair(), torch.zeros(1, 3, 10, 14)
    assert export_module(network, tmp_path / "pair.onnx", example) < 1e-4
    assert network.training
    session = onnxruntime.InferenceSession(tmp_path / "pair.onnx")
    noise = torch.randn(1, 3, 10, 14)
    with torch.no_grad():
        expected = network.eval()(noise)
    for found, wanted in zip(
        session.run(None, {"input": noise.numpy()}), expected.values(), strict=True
    ):
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(module, "MAX_DIFFERENCE", -1.0)
    with pytest.raises(WeightsError, match="Pair differs"):
        export_module(network, tmp_path / "other.onnx", example)
    assert not (tmp_path / "other.onnx").exists()


def test_what_cannot_be_exported_is_named(tmp_path):
    class Branching(nn.Module):
        def forward(self, image):
            return image if image.sum() > 0 else -image

    with pytest.raises(WeightsError, match="Branching cannot be exported"):
        export_module(Branching(), tmp_path / "none.onnx", torch.zeros(1, 3, 4, 4))
