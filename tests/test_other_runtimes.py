"""Weights files without this package: the examples in C++, JavaScript and OpenCV against `Session`.

Each test needs tools that `pip` does not install, and skips with their names.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featheredge import catalog
from featheredge.png import quantise
from featheredge.session import Session

EXAMPLES = Path(__file__).parents[1] / "examples"
MODEL = "mobile-edge-s"
WEIGHTS = catalog.weights_path(catalog.find(MODEL))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    """A photo whose sides are not multiples of the stride."""
    path = tmp_path_factory.mktemp("picture") / "cat.ppm"
    with Image.open(EXAMPLES / "cat.jpg") as image:
        image.convert("RGB").crop((0, 0, 213, 150)).save(path)
    return path


def assert_equal(output: Path, picture: Path) -> None:
    """The map of the other runtime is that of `Session`, up to the rounding of 8 bits."""
    expected = quantise(Session(MODEL)(picture)).astype(int)
    with Image.open(output) as image:
        assert image.mode == "L"
        found = np.asarray(image).astype(int)
    difference = np.abs(found - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """The example in C++, compiled against ONNX Runtime's headers and its library."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        pytest.skip("needs a C++ compiler: apt-get install g++")
    headers = _headers()
    folder = tmp_path_factory.mktemp("cpp")
    command: list[str | Path] = [
        compiler,
        "-std=c++17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-isystem",
        headers,
    ]
    command += [EXAMPLES / "cpp/edges.cpp", *_library(folder), "-o", folder / "edges"]
    subprocess.run(command, check=True, timeout=300)
    return folder / "edges"


def _headers() -> Path:
    folders = [os.environ.get("ONNXRUNTIME_INCLUDE", ""), "/usr/include/onnxruntime"]
    for folder in filter(None, folders):
        if Path(folder, "onnxruntime_cxx_api.h").is_file():
            return Path(folder)
    pytest.skip(
        "needs the headers of ONNX Runtime: apt-get install libonnxruntime-dev, or set "
        "ONNXRUNTIME_INCLUDE to the folder with onnxruntime_cxx_api.h"
    )


def _library(folder: Path) -> list[str]:
    """Options to link with the library of the Python package, which is always installed."""
    import onnxruntime

    found = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        pytest.skip("needs a Linux wheel of onnxruntime with libonnxruntime.so")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(found[-1])
    return [f"-L{folder}", "-lonnxruntime", f"-Wl,-rpath,{folder}"]


def test_cpp_gives_the_map_of_session(program, picture, tmp_path):
    subprocess.run([program, WEIGHTS, picture, tmp_path / "map.pgm"], check=True, timeout=60)
    assert_equal(tmp_path / "map.pgm", picture)


def test_cpp_says_what_is_wrong(program, picture, tmp_path):
    saliency = catalog.weights_path(catalog.default("saliency"))
    (tmp_path / "text.ppm").write_text("no picture")
    for network, source, cause in (
        (saliency, picture, "resize it to 320x320"),
        (WEIGHTS, tmp_path / "text.ppm", "expected a binary PPM"),
        (tmp_path / "missing.onnx", picture, "missing.onnx"),
    ):
        command = [program, network, source, tmp_path / "map.pgm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert cause in done.stderr
    assert not (tmp_path / "map.pgm").exists()


def test_javascript_gives_the_map_of_session(picture, tmp_path):
    if not shutil.which("node"):
        pytest.skip("needs Node: apt-get install nodejs")
    folder = EXAMPLES / "js"
    search = ["node", "-e", "require.resolve('onnxruntime-node')"]
    if subprocess.run(search, cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip(f"needs onnxruntime-node: run npm install in {folder}, or set NODE_PATH")
    command = ["node", folder / "edges.js", WEIGHTS, picture, tmp_path / "map.pgm", "16"]
    subprocess.run(command, check=True, timeout=120)
    assert_equal(tmp_path / "map.pgm", picture)


def test_opencv_gives_the_map_of_session(picture, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install opencv-python-headless")
    if int(cv2.__version__.partition(".")[0]) < 5:
        pytest.skip(f"needs OpenCV 5, not {cv2.__version__}: it refuses inputs of any size")
    command = [sys.executable, EXAMPLES / "opencv_dnn.py", WEIGHTS, picture, tmp_path / "map.png"]
    subprocess.run(command, check=True, timeout=60)
    assert_equal(tmp_path / "map.png", picture)
