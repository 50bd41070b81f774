"""Isolated decoding gives the same pixels, and survives what decoders do to their process."""

import io
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from featheredge import isolation
from featheredge.errors import ImageError
from featheredge.image import load
from featheredge.inputs import PictureFile
from featheredge.isolation import IsolatedDecoder


def encoded(image: Image.Image, format: str, **options: object) -> PictureFile:
    file = io.BytesIO()
    image.save(file, format, **options)
    return PictureFile(file.getvalue(), f"photo.{format.lower()}")


@pytest.fixture
def picture(noise) -> Image.Image:
    return Image.fromarray(noise(20, 30))


def featheredge(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "featheredge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Misbehaving(IsolatedDecoder):
    """Its workers run this program instead of a decoder."""

    program = ""

    def _start(self):
        before, isolation.WORKER = isolation.WORKER, ("-c", self.program)
        try:
            return super()._start()
        finally:
            isolation.WORKER = before


def test_pixels_are_those_of_load_and_a_worker_is_used_again(picture):
    clear = picture.convert("RGBA")
    clear.putalpha(100)
    turned = Image.Exif()
    turned[274] = 6
    files = [
        encoded(picture, "PNG"),
        encoded(clear, "WEBP", lossless=True),
        encoded(picture, "JPEG", exif=turned),
        encoded(Image.fromarray(np.full((9, 7), 40_000, np.uint16)), "PNG"),
    ]
    with IsolatedDecoder() as decode:
        for file in files:
            decoded = decode(file)
            assert decoded.name == file.name
            np.testing.assert_array_equal(load(decoded), load(file.getvalue()))
        assert decode._idle.qsize() == 1


def test_a_bad_picture_is_the_same_error_as_without(picture):
    half = PictureFile(encoded(picture, "PNG").getvalue()[:60], "half.png")
    small = picture.resize((9, 9))
    animated = encoded(small, "GIF", save_all=True, append_images=[small.rotate(90)])
    with IsolatedDecoder(max_megapixels=0.001, frames=True) as decode:
        with pytest.raises(ImageError, match=r"half\.png: cannot be decoded"):
            decode(half)
        with pytest.raises(ImageError, match=r"photo\.png: 30x40 is 0\.0012 megapixels, over"):
            decode(encoded(picture.resize((30, 40)), "PNG"))
        with pytest.raises(ImageError, match="is an animation; with --isolate, add --frames first"):
            decode(animated)
        assert decode(encoded(picture, "PNG"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits addresses")
def test_a_decoder_that_needs_too_much_memory_is_reported(picture):
    large = encoded(Image.new("1", (9000, 9000)), "PNG")
    with IsolatedDecoder(max_megabytes=600) as decode:
        with pytest.raises(ImageError, match=r"photo\.png: its decoder .*memory"):
            decode(large)
        assert decode(encoded(picture, "PNG"))


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"crashed \(exit code -11\)"),
        ("import time; time.sleep(60)", "stopped after the limit of 0.5 s"),
        ("import sys; sys.stdin.buffer.read(9); print('half', flush=True)", "crashed"),
        ("print('\\x01' + '\\x7f' * 8, flush=True)", "crashed"),
    ],
    ids=["crash", "hang", "half an answer", "an impossible size"],
)
def test_a_worker_that_misbehaves_is_a_bad_picture(picture, program, expected):
    decode = Misbehaving(max_seconds=0.5 if "sleep" in program else 30)
    decode.program = program
    started = time.monotonic()
    with decode, pytest.raises(ImageError, match=rf"photo\.png: its decoder .*{expected}"):
        decode(encoded(picture, "PNG"))
    assert time.monotonic() - started < 30
    assert decode._idle.empty(), "the worker is not used again"


def test_the_command_writes_the_same_files_and_counts_a_bad_picture(tmp_path, picture, toy_onnx):
    for name in ("a.png", "b.jpg"):
        picture.save(tmp_path / name)
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:90])
    for folder, options, code in (("plain", (), 1), ("isolated", ("--isolate",), 1)):
        done = featheredge(
            "edges", tmp_path / "*.*g", "-m", toy_onnx, "-o", tmp_path / folder, *options
        )
        assert done.returncode == code
        assert "c.png: cannot be decoded" in done.stderr
    for name in ("a.png", "b.png"):
        ours = (tmp_path / "isolated" / name).read_bytes()
        assert ours == (tmp_path / "plain" / name).read_bytes()


def test_metadata_is_not_lost_silently(tmp_path, picture, toy_onnx):
    picture.save(tmp_path / "a.png")
    done = featheredge("edges", tmp_path / "a.png", "-m", toy_onnx, "--isolate", "--keep-metadata")
    assert done.returncode == 1
    assert "--isolate passes on pixels only" in done.stderr
