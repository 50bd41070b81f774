"""What is pruned: a network of the zoo, or a module of one's own.

Both are saved, loaded, exported and run here, so that the steps of a run need not know which it is.

Shapes: B batch, C channels, H W pixels.
"""

import json
import sys
from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

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
from featheredge.onnx_runtime import onnx_session
from featheredge.runs.prune_recipe import PruneRecipe
from featheredge.session import Session
from featheredge.timing import clock_for, time_cases

N = TypeVar("N", bound=nn.Module)

WIDTHS_FILE = "widths.json"

#: What the file of a network of one's own is called as a module.
_MODULE = "featheredge_custom_network"


class Source(Protocol):
    """Where a run starts.

    Attributes:
        network: unpruned, in the form that is deployed, in evaluation mode.
    """

    network: Any

    def inputs(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1] -> what the network takes."""

    def save(self, network: Any, counts: Mapping[str, int], folder: Path) -> None:
        """Write a network that is left with these units."""

    def load(self, folder: Path) -> Any:
        """Read what `save` wrote, in evaluation mode."""

    def export(self, network: Any, path: Path) -> None:
        """Write a network as ONNX."""

    def case(self, path: Path, threads: int) -> Callable[[], object]:
        """Something to time: the exported network on one picture."""


def open_source(recipe: PruneRecipe) -> Source:
    """The network that a recipe names.

    Raises:
        UnknownModelError, WeightsError: it is not there, or its weights are not.
        RecipeError: a file that makes no network.
    """
    return ZooSource(recipe) if recipe.custom is None else CustomSource(recipe)


class ZooSource:
    """A network of the zoo: its widths are in its configuration."""

    def __init__(self, recipe: PruneRecipe) -> None:
        self._recipe = recipe
        self.network: Network = build.load_trained(recipe.source).deployable()
        _refuse_another_purpose(recipe)

    def inputs(self, pictures: Tensor) -> Tensor:
        """As the network normalises them."""
        return self.network.normalise(pictures)

    def save(self, network: Network, counts: Mapping[str, int], folder: Path) -> None:
        """As `featheredge.models.build` does."""
        build.save(network, folder, self._recipe.purpose)

    def load(self, folder: Path) -> Network:
        """As `featheredge.models.build` does."""
        return build.load(folder)

    def export(self, network: Network, path: Path) -> None:
        """As a file that every verb takes."""
        purpose = self._recipe.purpose
        export_network(
            network,
            path,
            name=f"{self._recipe.name}-{path.parent.name}",
            task=purpose.task,
            input_px=purpose.input_px,
            storage="fp32",
        )

    def case(self, path: Path, threads: int) -> Callable[[], object]:
        """A picture of noise through `featheredge.Session`."""
        session = Session(path, threads=threads)
        picture = np.random.default_rng(0).integers(0, 256, (*self._recipe.size, 3), np.uint8)
        return lambda: session(picture)


def _refuse_another_purpose(recipe: PruneRecipe) -> None:
    """Compare what a recipe says with what its network was trained for, where that is stored."""
    stored, said = read_purpose(recipe.source), recipe.purpose
    if stored is None:
        return
    if stored.task != said.task:
        raise RecipeError(
            f'task = "{said.task}", but {recipe.source} is a network for {stored.task}; set '
            f'task = "{stored.task}"'
        )
    if (stored.input_px is None) != (said.input_px is None):
        whole = stored.input_px is not None
        seen = "whole pictures" if whole else "crops"
        raise RecipeError(
            f"calibration: {recipe.source} was trained on {seen}; set calibration.whole = "
            f"{str(whole).lower()}"
        )


class CustomSource:
    """A module of one's own: its widths are those of its tensors."""

    def __init__(self, recipe: PruneRecipe) -> None:
        assert recipe.custom is not None
        self._calibration = recipe.calibration
        self.network = _make(*recipe.custom)
        self._example = torch.zeros(1, 3, *recipe.size)

    def inputs(self, pictures: Tensor) -> Tensor:
        """As the recipe says."""
        mean, std = (
            pictures.new_tensor(colour)[:, None, None]
            for colour in (self._calibration.mean, self._calibration.std)
        )
        return (pictures - mean) / std

    def save(self, network: nn.Module, counts: Mapping[str, int], folder: Path) -> None:
        """As `load_custom` reads it."""
        state = {key: value.contiguous().cpu() for key, value in network.state_dict().items()}
        write_bytes(folder / build.WEIGHTS_FILE, serialise(state))
        write_json(folder / WIDTHS_FILE, {"kept": dict(counts)})

    def load(self, folder: Path) -> Any:
        """By `load_custom`."""
        return load_custom(self.network, folder, self._example)

    def export(self, network: nn.Module, path: Path) -> None:
        """For pictures of the recipe's size."""
        export_module(network, path, self._example)

    def case(self, path: Path, threads: int) -> Callable[[], object]:
        """Noise through ONNX Runtime."""
        session = onnx_session(path, threads)
        noise = np.random.default_rng(0).random(self._example.shape, np.float32)
        return lambda: session.run(None, {"input": noise})


def load_custom(network: N, folder: Path, example: Tensor) -> N:
    """The pruned form of a module of one's own, to train on or to use.

    Args:
        network: the module that was pruned, with any weights; it is left as it is.
        folder: `model/` of a step.
        example: (B, C, H, W) that the module can be run on.

    Returns:
        A module of the same class with smaller layers and the step's weights, in evaluation mode.

    Raises:
        WeightsError: a file is missing or damaged, or belongs to another module.
    """
    try:
        kept = json.loads((folder / WIDTHS_FILE).read_bytes())["kept"]
        state = build.read_safetensors(folder / build.WEIGHTS_FILE)
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise WeightsError(
            f"{folder}: expected a pruned network's {WIDTHS_FILE} and {build.WEIGHTS_FILE}: {cause}"
        ) from cause
    # Which units stayed is in the weights; for the shapes, any so many will do.
    smaller = cut(network, {g: range(n) for g, n in kept.items()}, example=example)
    build.load_weights(smaller, state, str(folder))
    return smaller.eval()


def _make(file: Path, function: str) -> nn.Module:
    """Run a file and call its function."""
    spec = spec_from_file_location(_MODULE, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise RecipeError(f"source: there is no Python file {file}")
    module = module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses look there for what a file defines
    spec.loader.exec_module(module)
    make = getattr(module, function, None)
    network = make() if callable(make) else None
    if not isinstance(network, nn.Module):
        raise RecipeError(
            f"source: expected {file}:{function} to be a function that returns a torch.nn.Module"
        )
    return network.eval()


def share_of_time(
    source: Source,
    whole: Path,
    counts: Mapping[str, int],
    example: Tensor,
    *,
    threads: int,
    rounds: int,
) -> float:
    """The least time of a network with these counts over that of the whole one.

    It is measured before any unit is chosen: time depends on how many units are left and not on
    which, so the first ones of each group will do.

    Args:
        source: what is pruned.
        whole: its file, as `source.export` wrote it.
        counts: group -> units to keep; other groups stay whole.
        example: (B, C, H, W) that the network can be traced with.
        threads: of ONNX Runtime.
        rounds: how often either is run, in turns.
    """
    keep = {group: range(n) for group, n in counts.items()}
    pruned = cut(source.network, keep, example=example)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pruned.onnx"
        source.export(pruned, file)
        cases = {"whole": source.case(whole, threads), "pruned": source.case(file, threads)}
    times = time_cases(cases, rounds, clock_for(threads).read)
    return times["pruned"].min_ms / times["whole"].min_ms
