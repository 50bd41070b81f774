"""PNG files of our own writer, read back by Pillow."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featheredge import png, png_stream

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def read(data: bytes) -> tuple[str, np.ndarray]:
    with Image.open(io.BytesIO(data)) as image:
        image.verify()  # checksums
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, np.asarray(image)


@pytest.fixture
def isal():
    pytest.importorskip("isal", reason="needs featheredge[speed]")


@settings(max_examples=40)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([*MODES]),
    steepness=st.sampled_from([0, 1, 255]),
)
def test_pillow_reads_back_the_same_pixels(height, width, channels, steepness):
    pytest.importorskip("isal", reason="needs featheredge[speed]")
    random = np.random.default_rng(height * width)
    pixels = random.integers(0, steepness + 1, (height, width, channels), np.uint8)
    pixels = np.cumsum(pixels, axis=0, dtype=np.uint8)  # rows that resemble the row above
    pixels = pixels[..., 0] if channels == 1 else pixels
    mode, found = read(png_stream.encode(pixels))
    assert mode == MODES[channels]
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.usefixtures("isal")
@pytest.mark.parametrize("strip_bytes", [1, 100, 1 << 20])
def test_strips_do_not_change_the_pixels(noise, monkeypatch, strip_bytes):
    monkeypatch.setattr(png_stream, "_STRIP_BYTES", strip_bytes)
    pixels = noise(30, 17)
    np.testing.assert_array_equal(read(png.encode_pixels(pixels))[1], pixels)


@pytest.mark.usefixtures("isal")
def test_a_large_map_keeps_its_pixels(noise, monkeypatch):
    monkeypatch.setattr(png_stream, "_LARGE_BYTES", 100)
    pixels = noise(30, 17)[..., 0]
    np.testing.assert_array_equal(read(png.encode_pixels(pixels))[1], pixels)


@pytest.mark.usefixtures("isal")
def test_rows_are_filtered():
    """A gradient compresses to almost nothing only if differences are compressed."""
    pixels = np.add.outer(np.arange(200), 3 * np.arange(300)).astype(np.uint8)
    assert len(png_stream.encode(pixels)) < 0.03 * pixels.size


def test_without_the_extra_pillow_writes_the_file(noise, monkeypatch):
    monkeypatch.setattr(png_stream, "isal_zlib", None)
    for pixels in (noise(12, 9), noise(12, 9)[..., 0]):
        np.testing.assert_array_equal(read(png.encode_pixels(pixels))[1], pixels)
        np.testing.assert_array_equal(read(png.encode_png(Image.fromarray(pixels)))[1], pixels)
