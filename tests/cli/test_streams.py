"""What the command says when a stream, a signal or a path goes wrong: one line, the right code."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

COMMAND = [sys.executable, "-m", "featheredge"]


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def photos(tmp_path) -> Path:
    for number in range(40):
        Image.new("RGB", (16, 16), (number, 9, 9)).save(tmp_path / f"{number}.jpg")
    return tmp_path


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("featheredge: ")
    return line


FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


@needs_full
@pytest.mark.parametrize("arguments", [["edges", "0.jpg"], ["models"], ["edges", "-"]])
def test_a_full_disk_is_one_line(photos, toy_onnx, arguments):
    if arguments[0] == "edges":
        arguments = [*arguments, "-m", str(toy_onnx)]
    with FULL.open("w") as full, (photos / "0.jpg").open("rb") as photo:
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdin=photo, stdout=full, stderr=subprocess.PIPE, text=True, cwd=photos, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert one_line(done.stderr) == "featheredge: standard output: No space left on device"


def test_a_reader_that_has_seen_enough_ends_it_with_141(photos, toy_onnx):
    command = (
        f"{' '.join(COMMAND)} edges {photos} -m {toy_onnx} -v | head -1; echo ${{PIPESTATUS[0]}}"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # so that the closed pipe is noticed
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True, env=environment
    )
    first, code = done.stdout.splitlines()
    assert "->" in first
    assert code == "141"
    assert "standard output was closed" in one_line(done.stderr)


def _heed_ctrl_c() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C; the tests may run so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start():
    """Start a command that heeds Ctrl-C; it is killed if it does not end."""
    running = []

    def popen(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_heed_ctrl_c,
        )
        running.append(process)
        return process

    yield popen
    for process in running:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("verb", ["edges", "eval"])
def test_ctrl_c_ends_it_with_130(tmp_path, toy_onnx, start, verb):
    pipe = tmp_path / "images" / "1.png"
    pipe.parent.mkdir()
    os.mkfifo(pipe)  # reading it waits
    (tmp_path / "masks").mkdir()
    Image.new("L", (9, 9), 255).save(tmp_path / "masks" / "1.png")
    inputs = {"edges": [pipe, "-m", toy_onnx], "eval": ["feather-saliency-s", tmp_path]}
    process = start(verb, *inputs[verb])
    held = []

    def is_read() -> bool:
        with suppress(OSError):  # no reader yet
            held.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(held)

    wait_for(is_read)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    os.close(held[0])
    assert process.returncode == 130
    assert "stopped by Ctrl-C" in one_line(said)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_ctrl_c_in_a_folder_leaves_whole_files_and_a_second_run_does_the_rest(
    tmp_path, photos, start
):
    out = tmp_path / "out"
    for number in range(40, 200):
        (photos / f"{number}.jpg").hardlink_to(photos / "0.jpg")
    process = start("edges", photos, "-o", out, "--workers", "2")
    # A half-written file has a name with a dot in front; it is gone once the signal arrives.
    wait_for(lambda: len(list(out.glob("[!.]*"))) > 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by Ctrl-C" in one_line(said)
    names = [path.name for path in out.iterdir()]
    assert 3 < len(names) < 200
    assert not [name for name in names if name.startswith(".")]
    for path in out.iterdir():
        with Image.open(path) as image:
            image.load()
    done = run("edges", photos, "-o", out)
    assert (done.returncode, f"{len(names)} skipped" in done.stderr) == (0, True)
    assert len(list(out.iterdir())) == 200


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_shows_one_bar_for_a_folder(photos, toy_onnx):
    terminal, its_end = os.openpty()
    done = subprocess.run(
        [*COMMAND, "edges", photos, "-m", toy_onnx],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "90"},
        stdout=subprocess.PIPE, stderr=its_end, text=True, check=True,
    )  # fmt: skip
    os.close(its_end)
    shown = os.read(terminal, 1 << 20).decode()
    os.close(terminal)
    assert "edges" in shown
    assert "40/40" in shown
    assert shown.count("->") == 0
    (line,) = done.stdout.splitlines()
    assert line.startswith("40 written next to their inputs in ")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_watched_folder_is_left_by_ctrl_c(tmp_path, toy_onnx, start):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.new("RGB", (16, 16)).save(folder / "a.jpg")
    process = start("edges", folder, "-o", out, "-m", toy_onnx, "--watch")
    wait_for((out / "a.png").exists)
    whole = (folder / "a.jpg").read_bytes()
    with (folder / "b.jpg").open("wb") as file:  # a slow writer
        for part in (whole[:100], whole[100:200], whole[200:]):
            file.write(part)
            file.flush()
            time.sleep(0.6)
    Image.new("RGB", (16, 16)).save(folder / ".c.part", "JPEG")
    (folder / ".c.part").rename(folder / "c.jpg")
    wait_for(lambda: (out / "b.png").exists() and (out / "c.png").exists())
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert [line.rpartition("/")[2].partition(" ")[0] for line in printed.splitlines()[:1]] == [
        "a.png"
    ]
    assert printed.splitlines()[-1].startswith(f"3 written to {out} in ")
    assert {path.name for path in out.iterdir()} == {"a.png", "b.png", "c.png"}


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("x" * 300 + ".jpg", "File name too long"),
        ("loop.jpg", "symbolic links"),
        ("https://example.org/a.jpg", "is a URL; download"),
        ("fotos/", "No such file or directory"),
    ],
)
def test_a_bad_path_is_one_line(tmp_path, toy_onnx, name, cause):
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    done = run("edges", name, "-m", toy_onnx, cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert cause in lines[0]
    assert all(line.startswith("featheredge: ") for line in lines)


def test_a_warning_is_one_line(tmp_path, toy_onnx):
    Image.fromarray(np.full((9, 9), 200, np.uint16)).save(tmp_path / "dark.png")
    done = run("edges", tmp_path / "dark.png", "-m", toy_onnx)
    assert done.returncode == 0
    assert "warning: " in one_line(done.stderr)
    assert "nearly black" in done.stderr


@pytest.mark.parametrize("name", ["mapz", "./mapz/", "nothing-like-it"])
def test_a_mistyped_folder_is_no_unknown_model(tmp_path, name):
    for folder in ("maps", "annotations"):
        (tmp_path / folder).mkdir()
        Image.new("L", (9, 9), 255).save(tmp_path / folder / "1.png")
    done = run("eval", "edges", name, "annotations", "--max-dist", 0.01, cwd=tmp_path)
    assert done.returncode == 1
    said = one_line(done.stderr)
    assert f"{name}: no such folder of maps, and no such model" in said
    assert ("did you mean maps?" in said) == ("mapz" in name)
