"""Small ONNX graphs for the tests of rewrites, traced from PyTorch modules."""

import warnings
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveUnusedNodesPass
from onnxscript import optimizer
from torch import Tensor, nn

from featheredge.onnx_runtime import onnx_session


class Traced:
    """A module as an ONNX model that rewrites may change, and what it computes."""

    def __init__(self, module: nn.Module, *shape: int) -> None:
        self.module = module.eval()
        self.x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        data: Any = BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The older exporter: it takes milliseconds for a graph where the other takes a second.
            torch.onnx.export(
                self.module, (self.x,), data, dynamo=False, input_names=["x"], opset_version=18,
                training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
            )  # fmt: skip
        self.model = ir.from_proto(onnx.load_from_string(data.getvalue()))
        optimizer.fold_constants(self.model)
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(self.model)

    @property
    def graph(self) -> ir.Graph:
        return self.model.graph

    def apply(self, rewrite: Callable[..., Any], *arguments: Any) -> Any:
        """Apply a rewrite and check that the output stays the same to 1e-5."""
        result = rewrite(self.graph, *arguments)
        RemoveUnusedNodesPass()(self.model)
        with torch.no_grad():
            expected = self.module(self.x).numpy()
        np.testing.assert_allclose(self.run(), expected, rtol=0, atol=1e-5)
        return result

    def run(self) -> np.ndarray:
        session = onnx_session(ir.to_proto(self.model).SerializeToString())
        output: np.ndarray = session.run(None, {"x": self.x.numpy()})[0]
        return output

    def operators(self) -> Counter[str]:
        return Counter(node.op_type for node in self.graph)


def shuffled(module: nn.Module) -> nn.Module:
    """Give norms and slopes values that are not the initial ones."""
    generator = torch.Generator().manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            for tensor, low in ((layer.weight, -1.0), (layer.bias, -1.0)):
                nn.init.uniform_(tensor, low, 1.5, generator=generator)
            nn.init.uniform_(layer.running_mean, -0.5, 0.5, generator=generator)
            nn.init.uniform_(layer.running_var, 0.5, 2, generator=generator)
        elif isinstance(layer, nn.PReLU):
            nn.init.uniform_(layer.weight, -0.5, 0.9, generator=generator)
    return module


class Branches(nn.Module):
    """Joins what several layers compute from one input."""

    def __init__(self, join: Callable[[list[Tensor]], Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.join, self.layers = join, nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.join([layer(x) for layer in self.layers])
