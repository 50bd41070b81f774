"""Masks of what stands out, from class maps: parts and pictures that are kept, and outlines."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / "tools/object_masks.py"
SHAPE = (100, 120)
CAT, SOFA, BICYCLE, UNKNOWN = 8, 18, 2, 255


def classes(*boxes):
    """A class map with (class, top, left, bottom, right) boxes."""
    drawn = np.zeros(SHAPE, np.uint8)
    for kind, top, left, bottom, right in boxes:
        drawn[top:bottom, left:right] = kind
    return drawn


def run(folder, class_map, map):
    """Return the mask, or None with the printed reason."""
    for name, pixels in (("classes", class_map), ("maps", map)):
        (folder / name).mkdir()
        Image.fromarray(pixels).save(folder / name / "a.png")
    command = [sys.executable, TOOL, folder / "classes", folder / "maps", "-o", folder / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    out = folder / "out/a.png"
    return np.asarray(Image.open(out)) > 0 if out.exists() else None, done.stdout.strip()


def white(*boxes):
    return np.where(classes(*((1, *box) for box in boxes)) > 0, 255, 0).astype(np.uint8)


BOX = (20, 30, 80, 90)


@pytest.mark.parametrize(
    "others",
    [[], [(SOFA, 0, 0, 100, 120)], [(CAT, 2, 100, 8, 110)]],
    ids=["alone", "on a sofa", "with a far one"],
)
def test_the_object_alone_is_kept(tmp_path, others):
    mask, said = run(tmp_path, classes(*others, (CAT, *BOX)), white(BOX))
    np.testing.assert_array_equal(mask, white(BOX) > 0)
    assert said == "kept: 1"


def test_unknown_pixels_join_the_nearer_side(tmp_path):
    drawn = classes((UNKNOWN, 16, 26, 84, 94), (CAT, 24, 34, 76, 86))
    mask, _ = run(tmp_path, drawn, white((24, 34, 76, 86)))
    assert mask[50, 33]
    assert not mask[50, 27]


def test_the_map_decides_near_the_outline_only(tmp_path):
    shifted, hole = (21, 31, 80, 90), (45, 55, 55, 65)
    map = white(shifted) - white(hole)
    mask, _ = run(tmp_path, classes((CAT, *BOX)), map)
    np.testing.assert_array_equal(mask[30:70, :40], white(shifted)[30:70, :40] > 0)
    assert mask[45:55, 55:65].all(), "a person sees no hole"


@pytest.mark.parametrize(
    ("drawn", "reason"),
    [
        (classes((SOFA, *BOX)), "nothing but background"),
        (classes((BICYCLE, *BOX)), "bicycle"),
        (classes((CAT, 20, 30, 26, 36)), "too small or too large"),
        (classes(*((CAT, 10, x, 40, x + 15) for x in (5, 35, 65, 95))), "many objects"),
        (classes((CAT, 85, 0, 100, 30)), "the map shows something else"),
    ],
)
def test_refused_pictures_are_counted(tmp_path, drawn, reason):
    mask, said = run(tmp_path, drawn, white(BOX))
    assert mask is None
    assert said == f"{reason}: 1"


def test_a_map_without_a_class_map_is_counted(tmp_path):
    run(tmp_path, classes((CAT, *BOX)), white(BOX))
    (tmp_path / "classes/a.png").unlink()
    command = [sys.executable, TOOL, tmp_path / "classes", tmp_path / "maps", "-o", tmp_path / "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "no class map: 1"
    assert not (tmp_path / "2").exists()
