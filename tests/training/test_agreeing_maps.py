"""A teacher's map that contradicts the mask makes way for the mask; the others stay as they are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from featheredge import load_image, save_map

TOOL = Path(__file__).parents[2] / "tools/agreeing_maps.py"


def run(folder: Path, *largest: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        sys.executable,
        TOOL,
        folder / "maps",
        folder / "masks",
        *largest,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    """Maps that differ from a mask with an object by 0.05 and by 0.5 on average."""
    mask = np.zeros((8, 10), np.float32)
    mask[:, :5] = 1
    for name, map in (("near", np.abs(mask - 0.05)), ("far", np.ones_like(mask))):
        save_map(mask, tmp_path / f"masks/{name}.png")
        save_map(map, tmp_path / f"maps/{name}.png")
    return tmp_path


def test_only_a_contradicting_map_is_replaced(folder):
    near = (folder / "maps/near.png").read_bytes()
    done = run(folder)
    assert "1 of 2 maps replaced" in done.stdout, done.stderr
    assert (folder / "maps/near.png").read_bytes() == near
    replaced, mask = (load_image(folder / f"{kind}/far.png") for kind in ("maps", "masks"))
    np.testing.assert_array_equal(replaced, mask)


def test_the_largest_difference_can_be_set(folder):
    assert "2 of 2 maps replaced" in run(folder, "0.01").stdout
    assert "0 of 2 maps replaced" in run(folder, "0.01").stdout


def test_a_map_of_another_size_is_refused(folder):
    save_map(np.zeros((4, 4), np.float32), folder / "maps/near.png")
    done = run(folder)
    assert done.returncode == 1
    assert "expected those of the mask" in done.stderr
