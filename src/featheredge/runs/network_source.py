"""Load, save, export and time the network to prune: one of the zoo, or your own module.

The steps of a run treat both alike.

Shapes: B batch, C channels, H W pixels.
"""

import sys
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from safetensors.torch import save as serialise
from torch import Tensor, nn

from featheredge.channels.cut import cut
from featheredge.deploy.export import export_network
from featheredge.deploy.export_module import export_module
from featheredge.errors import RecipeError, WeightsError
from featheredge.files import write_bytes, write_json
from featheredge.models import build
from featheredge.models.network import Network
from featheredge.models.purpose import read_purpose
from featheredge.models.tensors import load_weights, read_safetensors
from featheredge.onnx_runtime import onnx_session
from featheredge.runs.prune_recipe import PruneRecipe
from featheredge.session import Session
from featheredge.text_files import read_json

N = TypeVar("N", bound=nn.Module)

WIDTHS_FILE = "widths.json"

#: Module name of the imported file of a custom network.
_MODULE = "featheredge_custom_network"


class NetworkSource(Protocol[N]):
    """The network that a run starts from, and how networks of its kind are handled.

    Attributes:
        network: The unpruned network in the form that is deployed, in evaluation mode.
    """

    network: N

    def inputs(self, pictures: Tensor) -> Tensor:
        """Turn (B, 3, H, W) RGB pictures in [0, 1] into network inputs."""

    def save(self, network: N, counts: Mapping[str, int], folder: Path) -> None:
        """Write a pruned network; `counts` has the units kept per group."""

    def load(self, folder: Path) -> N:
        """Read a network that `save` wrote, in evaluation mode."""

    def export(self, network: N, path: Path) -> None:
        """Write a network as an ONNX file."""

    def timing_case(self, path: Path, threads: int) -> Callable[[], object]:
        """Return a function that runs the exported network on one picture."""


def open_source(recipe: PruneRecipe) -> "ZooSource | CustomSource":
    """Load the network that a recipe names.

    Raises:
        UnknownModelError: No network has this name.
        WeightsError: Its weights are missing or damaged.
        RecipeError: The Python file or its function does not exist, or returns no module.
    """
    return ZooSource(recipe) if recipe.custom is None else CustomSource(recipe)


class ZooSource:
    """A network of the zoo; its configuration holds its widths."""

    def __init__(self, recipe: PruneRecipe) -> None:
        self._recipe = recipe
        self.network: Network = build.load_trained(recipe.source).deployable()
        _refuse_another_purpose(recipe)

    def inputs(self, pictures: Tensor) -> Tensor:
        """Normalise pictures as the network does."""
        return self.network.normalise(pictures)

    def save(self, network: Network, counts: Mapping[str, int], folder: Path) -> None:
        """Write a network with `featheredge.models.build.save`."""
        build.save(network, folder, self._recipe.purpose)

    def load(self, folder: Path) -> Network:
        """Read a network with `featheredge.models.build.load`."""
        return build.load(folder)

    def export(self, network: Network, path: Path) -> None:
        """Write an ONNX file that every command takes."""
        purpose = self._recipe.purpose
        export_network(
            network,
            path,
            name=f"{self._recipe.name}-{path.parent.name}",
            task=purpose.task,
            input_px=purpose.input_px,
            storage="fp32",
        )

    def timing_case(self, path: Path, threads: int) -> Callable[[], object]:
        """Return a function that runs `featheredge.Session` on a noise picture."""
        session = Session(path, threads=threads)
        picture = np.random.default_rng(0).integers(0, 256, (*self._recipe.size, 3), np.uint8)
        return lambda: session(picture)


def _refuse_another_purpose(recipe: PruneRecipe) -> None:
    """Refuse a recipe whose task or input differs from the purpose stored with its network."""
    stored, wanted = read_purpose(recipe.source), recipe.purpose
    if stored is None:
        return
    if stored.task != wanted.task:
        raise RecipeError(
            f'task = "{wanted.task}", but {recipe.source} is a network for {stored.task}; set '
            f'task = "{stored.task}"'
        )
    if (stored.input_px is None) != (wanted.input_px is None):
        whole = stored.input_px is not None
        kind = "whole pictures" if whole else "crops"
        raise RecipeError(
            f"calibration: {recipe.source} was trained on {kind}; set calibration.whole = "
            f"{str(whole).lower()}"
        )


class CustomSource:
    """Your own module; the shapes of its tensors hold its widths."""

    def __init__(self, recipe: PruneRecipe) -> None:
        assert recipe.custom is not None
        self._calibration = recipe.calibration
        self.network = _make(*recipe.custom)
        self._example = torch.zeros(1, 3, *recipe.size)

    def inputs(self, pictures: Tensor) -> Tensor:
        """Normalise pictures with the recipe's mean and standard deviation."""
        mean, std = (
            pictures.new_tensor(values)[:, None, None]
            for values in (self._calibration.mean, self._calibration.std)
        )
        return (pictures - mean) / std

    def save(self, network: nn.Module, counts: Mapping[str, int], folder: Path) -> None:
        """Write weights and counts for `load_custom`."""
        state = {key: value.contiguous().cpu() for key, value in network.state_dict().items()}
        write_bytes(folder / build.WEIGHTS_FILE, serialise(state))
        write_json(folder / WIDTHS_FILE, {"kept": dict(counts)})

    def load(self, folder: Path) -> nn.Module:
        """Read a network with `load_custom`."""
        return load_custom(self.network, folder, self._example)

    def export(self, network: nn.Module, path: Path) -> None:
        """Write an ONNX file for pictures of the recipe's size."""
        export_module(network, path, self._example)

    def timing_case(self, path: Path, threads: int) -> Callable[[], object]:
        """Return a function that runs ONNX Runtime on noise."""
        session = onnx_session(path, threads)
        noise = np.random.default_rng(0).random(self._example.shape, np.float32)
        return lambda: session.run(None, {"input": noise})


def load_custom(network: N, folder: Path, example: Tensor) -> N:
    """Load the pruned form of your own module, to fine-tune or to use.

    Args:
        network: The module that was pruned, with any weights; it is not changed.
        folder: The folder `model/` of a step.
        example: (B, C, H, W) float input that the module can be run on.

    Returns:
        A module of the same class with smaller layers and the step's weights, in evaluation mode.

    Raises:
        WeightsError: A file is missing or damaged, or belongs to another module.
    """
    try:
        kept = read_json(folder / WIDTHS_FILE)["kept"]
        state = read_safetensors(folder / build.WEIGHTS_FILE)
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise WeightsError(
            f"{folder}: cannot read {WIDTHS_FILE} and {build.WEIGHTS_FILE} ({cause}); give the "
            "folder model/ of a step"
        ) from cause
    # The weights come from the file, so only the number of units per group matters here.
    smaller = cut(network, {g: range(n) for g, n in kept.items()}, example=example)
    load_weights(smaller, state, str(folder))
    return smaller.eval()


def _make(file: Path, function: str) -> nn.Module:
    """Import a Python file and call its function."""
    spec = spec_from_file_location(_MODULE, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise RecipeError(f"source: no Python file {file}; give FILE.py:FUNCTION")
    module = module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses look up their module here
    spec.loader.exec_module(module)
    make = getattr(module, function, None)
    network = make() if callable(make) else None
    if not isinstance(network, nn.Module):
        raise RecipeError(
            f"source: {file}:{function} is not a function that returns a torch.nn.Module; name one "
            "that does"
        )
    return network.eval()
