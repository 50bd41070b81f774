"""The verb `video` as users meet it: real processes, signals, pipes and messages."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import read_clip, square, write_clip
from conftest import toy_map
from featheredge import cli

COMMAND = [sys.executable, "-m", "featheredge", "video"]


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[Any]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


@pytest.fixture
def featheredge(monkeypatch, capsys):
    """Run a command in this process; gives exit code, standard output and standard error."""

    def run_here(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["featheredge", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        if isinstance(code, str):  # what the interpreter does with a message on exit
            sys.stderr.write(code + "\n")
            code = 1
        return code or 0, *capsys.readouterr()

    return run_here


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("featheredge: ")
    return line


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(path, [square(index) for index in range(12)], sound="aac")


def test_beside_the_input_and_not_over_a_file(featheredge, clip, toy_onnx, tmp_path):
    source = tmp_path / "my clip.mp4"
    source.write_bytes(clip.read_bytes())
    code, out, err = featheredge("video", source, "-m", toy_onnx)
    output = tmp_path / "my clip_edges.mp4"
    assert (code, err) == (0, "")
    assert out.startswith(f"{source} -> {output} (12 frames, ")
    assert "sound copied" in out
    assert len(read_clip(output)[0]) == 12
    code, _, err = featheredge("video", source, "-m", toy_onnx)
    assert code == 1
    assert "add -f to replace it" in one_line(err)
    _, out, _ = featheredge("video", source, "-m", toy_onnx, "-f", "--json", "--no-sound")
    facts = json.loads(out)
    assert facts["num_frames"] == 12
    assert facts["sound"] is None
    assert facts["output"] == str(output)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_a_playable_file(toy_onnx, tmp_path, number):
    frames = [square(index) for index in range(200)] * 30
    source = write_clip(tmp_path / "long.mp4", frames)
    output = tmp_path / "out" / "long.mp4"
    output.parent.mkdir()
    command = [*COMMAND, str(source), "-m", str(toy_onnx), "-o", str(output), "--smooth", "0.5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in itertools.takewhile(lambda _: process.poll() is None, range(600)):
            if any(part.stat().st_size for part in output.parent.iterdir()):
                break
            time.sleep(0.05)
        process.send_signal(number)
        try:
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "the frames up to there" in one_line(said.decode())
    written, times = read_clip(output)
    assert 0 < len(written) < len(frames)
    np.testing.assert_allclose(np.diff(times), 1 / 30, atol=1e-3)
    assert list(output.parent.iterdir()) == [output]


def test_raw_frames_through_a_pipe(toy_onnx, toy_saliency_onnx):
    frames = np.stack([square(index) for index in range(3)])
    grey = run("-", "--raw", "64x48", "-m", toy_onnx, input=frames.tobytes())
    assert grey.stderr == b""
    maps = np.frombuffer(grey.stdout, np.uint8).reshape(3, 48, 64)
    for map, pixels in zip(maps, frames, strict=True):
        assert np.abs(map - toy_map(pixels) * 255).max() <= 0.51
    colour = run("-", "--raw", "64x48", "-m", toy_onnx, "--as", "overlay", input=frames.tobytes())
    assert len(colour.stdout) == frames.size
    cut = run(
        "-", "--raw", "64x48", "-m", toy_saliency_onnx, "--as", "cutout", input=frames.tobytes()
    )
    rgba = np.frombuffer(cut.stdout, np.uint8).reshape(3, 48, 64, 4)
    assert rgba[0, 20, 8, 3] == 255
    assert rgba[0, 40, 60, 3] == 0


def test_a_partial_last_frame_says_how_many_bytes_came(toy_onnx):
    data = square(0).tobytes() + bytes(1000)
    done = run("-", "--raw", "64x48", "-m", toy_onnx, input=data)
    assert done.returncode == 1
    assert len(done.stdout) == 64 * 48
    assert "inside frame 2: 1,000 of 9,216 bytes came" in one_line(done.stderr.decode())
    empty = run("-", "--raw", "64x48", "-m", toy_onnx, input=b"")
    assert "standard input is empty" in one_line(empty.stderr.decode())


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (
            ["clip.mp4", "--task", "edges", "--as", "cutout"],
            "videos of edges have no look 'cutout'",
        ),
        (["clip.mp4", "--background", "red"], "map has no background"),
        (["clip.mp4", "--task", "saliency", "--as", "thin"], "videos of saliency have no look"),
        (["clip.mp4", "-o", "out.avi"], "videos are written as .mp4"),
        (["clip.mp4", "--as", "cutout", "--background", "transparent"], "has no transparency"),
        (["clip.mp4", "--as", "cutout", "--background", "grene"], "not a colour"),
        (["missing.mp4"], "No such file or directory"),
        (["text.mp4"], "not a video"),
        (["97"], "camera 97"),
        (["-"], "featheredge video - --raw WIDTHxHEIGHT"),
        (["-", "--raw", "64"], "expected WIDTHxHEIGHT"),
        (["-", "--raw", "64x48", "-o", "x.mp4"], "leave out -o"),
    ],
)
def test_what_cannot_be_is_one_line(featheredge, clip, tmp_path, monkeypatch, arguments, cause):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "text.mp4").write_text("text")
    before = sorted(tmp_path.iterdir())
    code, _, said = featheredge("video", *arguments)
    assert code == 1
    assert cause in one_line(said)
    assert sorted(tmp_path.iterdir()) == before


def test_a_misspelt_option_is_not_taken_for_the_input(featheredge):
    code, out, err = featheredge("video", "--smoth", "clip.mp4")
    assert code != 0
    assert "Did you mean --smooth?" in out + err


def test_a_truncated_video_ends_with_1_and_a_sentence(featheredge, toy_onnx, tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(90)]
    whole = write_clip(tmp_path / "whole.mkv", noise)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    code, _, said = featheredge("video", tmp_path / "cut.mkv", "-m", toy_onnx)
    assert code == 1
    assert "earlier than it declares: the file is truncated" in one_line(said)


def test_without_pyav_the_extra_is_named(clip, toy_onnx):
    code = (
        "import sys\nsys.modules['av'] = None\nfrom featheredge.cli import main\n"
        f"sys.argv = ['featheredge', 'video', {str(clip)!r}]\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1
    assert "pip install 'featheredge[video]'" in one_line(done.stderr.decode())
