"""Looks, working size, masks and previews on the command line."""

import json
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from featheredge.cli import main
from featheredge.image import load
from featheredge.looks import EDGE_LOOKS, SALIENCY_LOOKS, draw
from featheredge.maps import infer
from featheredge.session import Session


@pytest.fixture
def featheredge(monkeypatch, capsys):
    """Run a command in this process; its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["featheredge", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        captured = capsys.readouterr()
        if isinstance(code, str):
            return 1, captured.out, code
        return code or 0, captured.out, captured.err

    return run


@pytest.fixture
def photo(tmp_path):
    image = np.full((48, 64, 3), 20, np.uint8)
    image[12:36, 16:48] = 250, 255, 240
    path = tmp_path / "photo.png"
    Image.fromarray(image).save(path)
    return path


def read(path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("look", EDGE_LOOKS)
def test_every_look_of_edges(featheredge, photo, toy_onnx, look):
    code, out, _ = featheredge("edges", photo, "--as", look, "-m", toy_onnx)
    assert code == 0
    suffix = EDGE_LOOKS[look].suffix
    output = photo.with_name(f"photo_edges{suffix}")
    assert str(output) in out
    pixels = load(photo)
    expected = draw("edges", look, pixels, Session(toy_onnx)(pixels))
    if isinstance(expected, str):
        assert output.read_text("utf-8") == expected
        assert ElementTree.parse(output).getroot().tag.endswith("svg")
    else:
        np.testing.assert_array_equal(read(output), expected)


@pytest.mark.parametrize("look", SALIENCY_LOOKS)
def test_every_look_of_saliency(featheredge, photo, toy_saliency_onnx, look):
    code, _, _ = featheredge("saliency", photo, "--as", look, "-m", toy_saliency_onnx)
    assert code == 0
    pixels = load(photo)
    expected = draw("saliency", look, pixels, Session(toy_saliency_onnx)(pixels))
    np.testing.assert_array_equal(read(photo.with_name("photo_saliency.png")), expected)


def test_size_and_invert(featheredge, photo, toy_onnx, tmp_path):
    output = tmp_path / "small.png"
    featheredge("edges", photo, "--size", 32, "--invert", "-m", toy_onnx, "-o", output)
    pixels = load(photo)
    map = infer(Session(toy_onnx), pixels, 32)
    np.testing.assert_array_equal(read(output), draw("edges", "map", pixels, map, invert=True))


def test_scales(featheredge, photo, toy_onnx, tmp_path):
    output = tmp_path / "averaged.png"
    featheredge("edges", photo, "-m", toy_onnx, "-o", output, "--scales", 0.5, 1)
    pixels = load(photo)
    map = infer(Session(toy_onnx), pixels, scales=(0.5, 1))
    np.testing.assert_array_equal(read(output), draw("edges", "map", pixels, map))
    code, _, error = featheredge("edges", photo, "-m", toy_onnx, "--scales", 0)
    assert code == 1
    assert "scales is (0.0,); give at least one factor, all above 0" in error


def test_what_does_not_fit_is_refused_before_any_work(featheredge, photo, toy_onnx, tmp_path):
    code, _, error = featheredge("edges", photo, "--as", "overlay", "--invert", "-m", toy_onnx)
    assert code == 1
    assert "overlay cannot be inverted (--invert); choose one of map" in error
    code, _, error = featheredge("edges", photo, "--as", "contour-svg", "-o", tmp_path / "x.png")
    assert "x.png: outputs are svg files; give such a name" in error
    code, _, error = featheredge("edges", photo, "-o", tmp_path / "x.svg")
    assert "x.svg: outputs are png, webp, jpg, avif files" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["edges", "photo.png", "--thin"], "Unknown option: --thin. Type --as thin"),
        (["saliency", "photo.png", "--refine"], "Unknown option: --refine. Type --as mask"),
        (["saliency", "photo.png", "--size", "90"], "It is an option of another verb"),
    ],
)
def test_old_and_misplaced_options_are_explained(featheredge, arguments, message):
    code, out, error = featheredge(*arguments)
    assert code == 2
    assert message in " ".join((out + error).split())


def test_mask_and_cutout_in_one_call(featheredge, photo, toy_saliency_onnx, tmp_path):
    code, out, _ = featheredge("cutout", photo, "--mask", "-m", toy_saliency_onnx)
    assert code == 0
    assert "confidence 0." in out
    cut = read(tmp_path / "photo_cutout.png")
    np.testing.assert_array_equal(read(tmp_path / "photo_mask.png"), cut[..., 3])
    white = tmp_path / "white"
    featheredge(
        "cutout", photo, "--mask", "--crop", "--background", "white",
        "-m", toy_saliency_onnx, "-o", white,
    )  # fmt: skip
    assert read(white / "photo.png").shape[:2] == read(white / "photo_mask.png").shape
    # Neither is an input of the next run in the folder.
    _, out, _ = featheredge("cutout", tmp_path, "-o", tmp_path / "all", "-m", toy_saliency_onnx)
    assert "photo_mask" not in out.replace("white", "")


def test_an_existing_mask_is_not_replaced_silently(featheredge, photo, toy_saliency_onnx, tmp_path):
    (tmp_path / "photo_mask.png").write_bytes(b"mine")
    code, _, error = featheredge("cutout", photo, "--mask", "-m", toy_saliency_onnx)
    assert code == 1
    assert "photo_mask.png exists; add -f" in error
    assert (tmp_path / "photo_mask.png").read_bytes() == b"mine"
    assert not (tmp_path / "photo_cutout.png").exists()
    assert featheredge("cutout", photo, "--mask", "-f", "-m", toy_saliency_onnx)[0] == 0
    assert (tmp_path / "photo_mask.png").read_bytes() != b"mine"


def test_json_has_the_confidence(featheredge, photo, toy_saliency_onnx):
    from featheredge import confidence, saliency

    _, out, _ = featheredge("cutout", photo, "--json", "-m", toy_saliency_onnx)
    (written,) = json.loads(out)["written"]
    expected = confidence(saliency(photo, model=toy_saliency_onnx))
    assert written["confidence"] == round(expected, 4)


def test_a_preview_follows_its_line(featheredge, photo, toy_onnx, monkeypatch):
    _, out, _ = featheredge("edges", photo, "--preview", "-m", toy_onnx)
    output = photo.with_name("photo_edges.png")
    assert out.splitlines()[1] == output.as_uri()
    monkeypatch.setenv("TERM", "xterm-kitty")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _, out, _ = featheredge("edges", photo, "--preview", "-f", "-m", toy_onnx)
    assert "\x1b_Ga=T,f=100" in out
    _, _, error = featheredge("edges", photo, "--preview", "--json", "-f", "-m", toy_onnx)
    assert "--preview and --json" in error
