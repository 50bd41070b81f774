"""Checkpoints: the whole state of a run in one safetensors file, replaced atomically.

Tensors are stored under `model/`, `average/` and `optimiser/INDEX/`; the numbers that are not
tensors go into the file's metadata as JSON. Nothing is pickled.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from featheredge.errors import WeightsError
from featheredge.files import write_bytes

_DAMAGED = (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError)


class Stored(NamedTuple):
    """The content of a checkpoint.

    Attributes:
        path: Its file.
        tensors: Its tensors, on the CPU.
        progress: Other facts.
    """

    path: Path
    tensors: dict[str, Tensor]
    progress: dict[str, Any]


def write(
    path: Path,
    model: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Store the whole state of a run.

    Args:
        path: The file to replace.
        model: The trained module.
        average: The moving average of its weights.
        optimiser: The optimiser.
        progress: Other facts, as JSON.
    """
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("model", model), ("average", average)):
        tensors |= {f"{prefix}/{key}": value for key, value in module.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            if value is not None:
                tensors[f"optimiser/{index}/{key}"] = torch.as_tensor(value)
    stored = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_bytes(path, serialise(stored, {"progress": json.dumps(progress)}))


def read(path: Path) -> Stored:
    """Read what `write` stored.

    Raises:
        WeightsError: The file is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return Stored(path, tensors, json.loads(file.metadata()["progress"]))
    except _DAMAGED as cause:
        raise WeightsError(
            f"{path}: not a checkpoint; remove it to start again: {cause}"
        ) from cause


def restore(
    stored: Stored, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Load a checkpoint into the given objects.

    Raises:
        WeightsError: It belongs to another network or optimiser.
    """
    try:
        model.load_state_dict(_below("model/", stored.tensors))
        average.load_state_dict(_below("average/", stored.tensors))
        optimiser.load_state_dict(_optimiser_state(optimiser, _below("optimiser/", stored.tensors)))
    except (KeyError, ValueError, RuntimeError) as cause:
        raise WeightsError(
            f"{stored.path}: not a checkpoint of this recipe; remove it to start again: {cause}"
        ) from cause


def read_progress(path: Path) -> dict[str, Any]:
    """Read the `progress` that `write` stored.

    Raises:
        WeightsError: The file is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            progress: dict[str, Any] = json.loads(file.metadata()["progress"])
    except _DAMAGED as cause:
        raise WeightsError(
            f"{path}: not a checkpoint; remove it to start again: {cause}"
        ) from cause
    return progress


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries whose keys begin with `prefix`, which is removed."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimiser_state(optimiser: torch.optim.Optimizer, flat: dict[str, Tensor]) -> dict[str, Any]:
    """Return the optimiser's state_dict with the tensors of each parameter from `flat`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    return {**optimiser.state_dict(), "state": state}
