"""Small pruning runs: recipes for toy networks, and files that replace exports in tests."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import write_network
from featheredge.deploy.export import export_network
from featheredge.models import build
from featheredge.models.network import Network
from featheredge.runs import network_source
from featheredge.runs.prune_recipe import PruneRecipe, load_prune_recipe
from toys import toy_network, write_bsds, write_recipe

#: Two groups of the toy network that are tied to no other, with fewer units than they have.
COUNTS = {"encoder.features.3.conv.0.0": 6, "encoder.features.5.conv.0.0": 8}

CUSTOM = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1),
    )

number = 3
"""


def zoo_recipe(folder: Path, *settings: str) -> PruneRecipe:
    """Prune the toy network on rectangles, score it, fine-tune it with the unpruned teacher."""
    bsds = write_bsds(write_bsds(folder / "bsds", "train", 4), "val", 1)
    build.save(toy_network(), folder / "toy")
    tuning = write_recipe(folder, folder / "elsewhere", "tuning")
    path = folder / "prune.toml"
    counts = "\n".join(f'"{group}" = {count}' for group, count in COUNTS.items())
    path.write_text(
        f"""
name = "prune-toy"
about = "two groups of a toy"
task = "edges"
source = "{(folder / "toy").as_posix()}"

[data]
root = "{bsds.as_posix()}"

[calibration]
count = 10
crop_px = 48

[prune.counts]
{counts}

[training.taught]
recipe = "{tuning.as_posix()}"
settings = ["schedule.epochs=2", "run.checkpoint_every_steps=1"]

[training.taught.distill]
kind = "cross_entropy"
reduction = "mean"

[timing]
rounds = 2
""",
        "utf-8",
    )
    return load_prune_recipe(path, settings)


def custom_recipe_file(folder: Path) -> Path:
    """Prune a custom network on noise."""
    (folder / "pictures/deep").mkdir(parents=True)
    for index in range(3):
        noise = np.random.default_rng(index).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"pictures/deep/{index}.png")
    (folder / "mine.py").write_text(CUSTOM)
    path = folder / "custom.toml"
    path.write_text(
        f"""
name = "prune-custom"
about = "a custom network"
source = "{(folder / "mine.py").as_posix()}:build"

[calibration]
pictures = "{(folder / "pictures").as_posix()}"
count = 9
crop_px = 24
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]

[prune.counts]
"0" = 4
"3" = 3

[timing]
rounds = 2
""",
        "utf-8",
    )
    return path


def learned_recipe_file(folder: Path, network: Network) -> Path:
    """Cut the channels of `network` that decayed in training; calibrate on noise."""
    build.save(network, folder / "trained")
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), np.uint8)
    (folder / "pictures").mkdir()
    for index, picture in enumerate(noise):
        Image.fromarray(picture).save(folder / f"pictures/{index}.png")
    path = folder / "learned.toml"
    path.write_text(
        f"""
name = "prune-learned"
about = "channels that training has kept"
task = "saliency"
source = "{(folder / "trained").as_posix()}"

[calibration]
pictures = "{(folder / "pictures").as_posix()}"
count = 4
crop_px = 32
whole = true

[prune]
criterion = "learned"

[timing]
rounds = 2
""",
        "utf-8",
    )
    return path


def without_exports(monkeypatch: pytest.MonkeyPatch, *real: str) -> list[str]:
    """Replace the exports of all steps but `real` with other files, as an export takes seconds.

    Returns the steps that were exported, in order.
    """
    exported: list[str] = []

    def write(network: Any, path: Path, **metadata: Any) -> None:
        exported.append(path.parent.name)
        if path.parent.name in real:
            export_network(network, path, **metadata)
        else:
            write_network(path)

    def write_custom(network: Any, path: Path, example: Any) -> None:
        path.write_bytes(b"its network")

    monkeypatch.setattr(network_source, "export_network", write)
    monkeypatch.setattr(network_source, "export_module", write_custom)
    monkeypatch.setattr(
        network_source.CustomSource, "timing_case", lambda self, path, threads: path.read_bytes
    )
    return exported
