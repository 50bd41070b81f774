"""Training pictures that are put together: the mask goes with the picture."""

import random
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / "tools" / "compose_pictures.py"
RED, BLUE = (250, 10, 10), (10, 10, 250)


@pytest.fixture
def folder(tmp_path):
    """Two people, one standing and one lying: red where the mask is, blue elsewhere."""
    for name, box in {"standing": (80, 40, 120, 280), "lying": (10, 130, 190, 290)}.items():
        pair = Image.new("RGB", (200, 300), BLUE), Image.new("L", (200, 300))
        for image, inside in zip(pair, (RED, 255), strict=True):
            image.paste(inside, box)
        for kind, image, suffix in zip(("images", "masks"), pair, ("jpg", "png"), strict=True):
            (tmp_path / kind).mkdir(exist_ok=True)
            image.save(tmp_path / kind / f"{name}.{suffix}", quality=100, subsampling=0)
    return tmp_path


def composed(monkeypatch, folder: Path, *counts: str) -> Path:
    out = folder / "out"
    people, scenes = ("--people", str(folder)), ("--scenes", str(folder))
    monkeypatch.setattr(sys, "argv", [str(TOOL), *people, *scenes, "-o", str(out), *counts])
    runpy.run_path(str(TOOL), run_name="__main__")
    return out


def test_masks_cover_the_red_of_every_picture(monkeypatch, folder):
    counts = {"people": 3, "empty": 1, "close": 2, "half": 9}
    options = [text for kind, n in counts.items() for text in (f"--{kind}-count", str(n))]
    out = composed(monkeypatch, folder, *options)
    names = sorted(path.stem for path in (out / "images").iterdir())
    assert {name.partition("_")[0] for name in names} == {"people", "empty", "close", "half"}
    assert names == sorted(path.stem for path in (out / "masks").iterdir())
    for name in names:
        picture = np.asarray(Image.open(out / "images" / f"{name}.jpg"), int)
        mask = np.asarray(Image.open(out / "masks" / f"{name}.png"))
        assert picture.shape[:2] == mask.shape
        red = picture[..., 0] > picture[..., 2]
        assert (red == (mask > 127)).mean() > 0.97  # what is enlarged is blurred at its border


@pytest.mark.parametrize("seed", range(8))
def test_a_half_seen_person_is_cut_below_and_nowhere_else(folder, seed):
    upper_part = runpy.run_path(str(TOOL))["upper_part"]
    _, mask = upper_part(folder / "masks" / "standing.png", random.Random(seed))
    inside = np.asarray(mask) > 127
    assert inside[-1].any()
    assert not inside[0].any()


def test_nobody_who_lies_is_cut_in_half(folder):
    upper_part = runpy.run_path(str(TOOL))["upper_part"]
    assert upper_part(folder / "masks" / "lying.png", random.Random(0)) is None
