"""Toy networks, data sets and recipes for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from featheredge.models.build import create_model
from featheredge.models.feather import FeatherConfig
from featheredge.models.mobilenet import Bottleneck
from featheredge.models.network import Network

TOY_WIDTHS: dict[str, Any] = {
    "stem": 8,
    "blocks": [
        {"hidden": 0, "out": 4},
        {"hidden": 8, "out": 6, "stride": 2},
        {"hidden": 12, "out": 6, "residual": True},
        {"hidden": 12, "out": 8, "stride": 2},
        {"hidden": 16, "out": 8, "stride": 2},
        {"hidden": 16, "out": 10, "stride": 2},
    ],
    "top": 12,
    "head": 4,
    "dilations": [2, 3],
}

#: A `Feather` of about 3,000 parameters.
FEATHER_TOY = FeatherConfig(
    stem=8,
    blocks=(
        Bottleneck(0, 4),
        Bottleneck(8, 6, stride=2),
        Bottleneck(12, 8, stride=2, kernel=5),
        Bottleneck(16, 8, residual=True),
        Bottleneck(16, 10, stride=2),
    ),
    context=9,
    context_kernels=(5,),
    steps=(7, 6),
    kernels=(3,),
    sharpen=1.0,
    fine=4,
)


def toy_network(seed: int = 0, **widths: Any) -> Network:
    """A `MobileEdge` of about 2,500 parameters with norms that are not at their initial values."""
    torch.manual_seed(seed)
    network = create_model("mobile-edge-v1", widths={**TOY_WIDTHS, **widths})
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def write_bsds(root: Path, split: str, count: int, seed: int = 0) -> Path:
    """Pictures of one bright rectangle each, 40x56 or upright, and two annotators' outlines."""
    random = np.random.default_rng(seed)
    for kind in ("images", "groundTruth"):
        (root / kind / split).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        size = (40, 56) if index % 2 else (56, 40)
        top, left = map(int, random.integers(4, 12, 2))
        bottom, right = size[0] - int(random.integers(4, 12)), size[1] - int(random.integers(4, 12))
        picture = random.integers(0, 60, (*size, 3), np.uint8)
        picture[top:bottom, left:right] += 150
        first = outline(size, top, left, bottom, right)
        second = outline(size, top + 1, left, bottom, right - 1)
        Image.fromarray(picture).save(root / "images" / split / f"{index}.jpg", quality=95)
        write_annotations(root / "groundTruth" / split / f"{index}.mat", [first, second])
    return root


def outline(size: tuple[int, int], top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """A one-pixel rectangle in a bool map."""
    filled = np.zeros(size, bool)
    filled[top:bottom, left:right] = True
    filled[top + 1 : bottom - 1, left + 1 : right - 1] = False
    return filled


def strokes(height: int, width: int, seed: int) -> np.ndarray:
    """Three random walks across a picture, as an annotator might draw them; (H, W) bool."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    for _ in range(3):
        rows = np.cumsum(rng.integers(-1, 2, width)) + rng.integers(height)
        mask[np.clip(rows, 0, height - 1), np.arange(width)] = True
    return mask


def write_annotations(path: Path, maps: Sequence[np.ndarray]) -> None:
    """A .mat file as BSDS500's: a 1xG cell array of structures with `Boundaries`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.empty((1, len(maps)), object)
    for index, boundaries in enumerate(maps):
        cells[0, index] = {"Boundaries": boundaries.astype(np.uint8)}
    savemat(path, {"groundTruth": cells})


def write_masks(root: Path) -> Path:
    """Three pictures of a bright square and the masks of it, in a list `train`."""
    for index in range(3):
        mask = np.zeros((40, 50), np.uint8)
        mask[8 + index : 25, 10:30] = 255
        for folder, content in (("images", np.stack([mask // 2 + 40] * 3, 2)), ("masks", mask)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(root / folder / f"{index}.png")
    (root / "train.txt").write_text("0\n1\n2\n")
    return root


def write_recipe(folder: Path, bsds: Path, name: str = "toy", **run: Any) -> Path:
    """A recipe that trains the toy network on `bsds` for a handful of steps."""
    blocks = ",\n".join(_toml_table(block) for block in TOY_WIDTHS["blocks"])
    settings = {
        "batch_size": 2,
        "checkpoint_every_steps": 3,
        "ema_decay": 0.5,
        "norm_batches": 2,
        **run,
    }
    path = folder / f"{name}.toml"
    path.write_text(
        f"""
name = "{name}"
about = "a few steps on rectangles"
task = "edges"

[data]
root = "{bsds.as_posix()}"

[augment]
crop_px = 32
quarter_turns = true
rotation_deg = 10.0

[network]
name = "mobile-edge-v1"
[network.widths]
stem = 8
top = 12
head = 4
dilations = [2, 3]
blocks = [{blocks}]

[loss]
eta = 0.3
reduction = "mean"

[optimiser]
kind = "adamw"
lr = 0.01

[schedule]
kind = "cosine"
epochs = 4
warmup_steps = 2

[run]
{chr(10).join(f"{key} = {_toml(value)}" for key, value in settings.items())}
""",
        "utf-8",
    )
    return path


def _toml_table(fields: dict[str, Any]) -> str:
    pairs = (f"{key} = {_toml(value)}" for key, value in fields.items())
    return "{" + ", ".join(pairs) + "}"


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
