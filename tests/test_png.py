"""Tests of PNG output: maps are saved without stretching, and errors say what was expected."""

import stat

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image

from featheredge.errors import ArgumentError, ImageError, OutputError
from featheredge.image import load
from featheredge.png import binarise, encode_map, quantise, save_map


def test_saved_map_reads_back_as_rounded_bytes(tmp_path):
    map = np.random.default_rng(0).random((9, 11), np.float32) / 2
    save_map(map, tmp_path / "new" / "map.png")
    with Image.open(tmp_path / "new" / "map.png") as image:
        assert (image.mode, image.format) == ("L", "PNG")
        saved = np.asarray(image)
    np.testing.assert_array_equal(saved, np.floor(map.astype(float) * 255 + 0.5))
    np.testing.assert_array_equal(saved, quantise(map))
    np.testing.assert_array_equal(load(encode_map(map))[..., 0], saved)
    mode = (tmp_path / "new" / "map.png").stat().st_mode
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@given(hnp.arrays(np.uint8, (3, 5)))
def test_eight_bit_maps_survive_a_round_trip(levels):
    np.testing.assert_array_equal(quantise(levels / np.float32(255)), levels)


@pytest.mark.parametrize(
    ("map", "cause"),
    [
        (np.zeros((2, 2, 1), np.float32), r"the map is float32 of shape \(2, 2, 1\)"),
        (np.zeros((2, 2), np.uint8), "the map is uint8"),
        (np.zeros((0, 2), np.float32), "shape"),
        (np.full((2, 2), 1.01), "expected \\[0, 1\\]"),
        (np.full((2, 2), np.nan), "NaN"),
    ],
)
def test_what_is_no_map_is_not_written(map, cause, tmp_path):
    with pytest.raises(ImageError, match=cause):
        save_map(map, tmp_path / "map.png")
    assert list(tmp_path.iterdir()) == []


def test_a_map_is_written_whole_or_not_at_all(tmp_path):
    map = np.zeros((4, 4), np.float32)
    with pytest.raises(OutputError, match=r"map\.jpg: maps are written as PNG"):
        save_map(map, tmp_path / "map.jpg")
    (tmp_path / "map.png").mkdir()
    with pytest.raises(OutputError, match=r"map\.png: cannot be written"):
        save_map(map, tmp_path / "map.png")
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]


def test_binarise_is_white_from_the_threshold_on():
    map = np.array([[0.0, 0.49, 0.5, 1.0]], np.float32)
    found = binarise(map, 0.5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 0, 1, 1]])
    for threshold in (0, 1.01, float("nan")):
        with pytest.raises(ArgumentError, match="threshold"):
            binarise(map, threshold)
