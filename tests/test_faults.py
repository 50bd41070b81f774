"""Full disks, folders without permission, inputs that vanish, clocks that jump, two at a time."""

import ast
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featheredge.batch import Watcher
from featheredge.batch.plan import Naming
from featheredge.data.pairs import annotated_pairs
from featheredge.errors import EvaluationError, ImageError
from featheredge.run_folder import locked
from featheredge.training.loop import train
from featheredge.training.recipe import load_recipe
from stopping import train_until
from toys import write_bsds, write_recipe

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the faults are those of POSIX")

COMMAND = [sys.executable, "-m", "featheredge"]
SOURCES = Path(__file__).parents[1] / "src" / "featheredge"


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def photos(tmp_path, noise) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(4):
        side = 160 if number == 2 else 16  # the map of one photo is a larger file
        Image.fromarray(noise(side, side, number)).save(tmp_path / f"photos/{number}.png")
    return tmp_path / "photos"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def limit_files(num_bytes: int) -> None:
    """Let every file that this process writes end at a size, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, resource.RLIM_INFINITY))


def test_a_full_disk_costs_the_pictures_that_do_not_fit(photos, tmp_path, toy_onnx):
    out = tmp_path / "out"
    command = ("edges", photos, "-m", toy_onnx, "-o", out)
    done = run(*command, preexec_fn=lambda: limit_files(8000))
    assert done.returncode == 1
    assert f"{out}/2.png: cannot be written: File too large" in done.stderr
    assert names(out) == ["0.png", "1.png", "3.png"], "and nothing half-written"
    assert run(*command).returncode == 0
    assert names(out) == ["0.png", "1.png", "2.png", "3.png"]


@pytest.fixture
def recipe(tmp_path):
    bsds = write_bsds(write_bsds(tmp_path / "bsds", "train", 2), "val", 1)
    return load_recipe(write_recipe(tmp_path, bsds, checkpoint_every_steps=1))


def test_a_full_disk_in_training_keeps_the_last_checkpoint(recipe, tmp_path):
    folder = tmp_path / "run"
    train_until(recipe, folder, 2)
    before = (folder / "checkpoint.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.getsignal(signal.SIGXFSZ)
    try:
        limit_files(len(before) // 2)
        with pytest.raises(OSError, match="File too large"):
            train(recipe, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (folder / "checkpoint.safetensors").read_bytes() == before
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]
    resumed = train(recipe, folder) / "model.safetensors"
    undisturbed = train(recipe, tmp_path / "undisturbed") / "model.safetensors"
    assert resumed.read_bytes() == undisturbed.read_bytes()


def test_a_folder_without_permission_is_one_sentence(photos, tmp_path, toy_onnx):
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    if os.access(out, os.W_OK):
        pytest.skip("this user may write everywhere")
    done = run("edges", photos, "-m", toy_onnx, "-o", out)
    assert done.returncode == 1
    assert done.stderr == f"featheredge: {out}: cannot be written: Permission denied\n"


@pytest.mark.parametrize("place", ["/proc/out", "/dev/null/out"])
def test_a_folder_that_cannot_be_written_is_one_sentence(photos, toy_onnx, place):
    if not Path(place).parent.exists():
        pytest.skip(f"this system has no {Path(place).parent}")
    done = run("edges", photos, "-m", toy_onnx, "-o", place)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"featheredge: {place}: cannot be written: ")


def test_a_picture_that_vanished_costs_only_itself(photos, tmp_path, toy_onnx):
    (photos / "gone.png").symlink_to(photos / "nowhere.png")
    files = [photos / "0.png", photos / "gone.png", photos / "missing.png", photos / "1.png"]
    done = run("edges", *files, "-m", toy_onnx, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.count("No such file or directory") == 2
    assert names(tmp_path / "out") == ["0.png", "1.png"]


def test_a_training_picture_that_vanishes_is_named(recipe, tmp_path):
    pairs = annotated_pairs("edges", tmp_path / "bsds", ("train",))
    (tmp_path / "bsds/images/train/1.jpg").unlink()
    with pytest.raises(ImageError, match=r"train/1\.jpg: No such file"):
        pairs[1]


def test_a_run_does_not_resume_without_some_of_its_pictures(recipe, tmp_path):
    folder, picture = tmp_path / "run", tmp_path / "bsds/images/train/1.jpg"
    train_until(recipe, folder, 2)
    picture.rename(tmp_path / "1.jpg")
    with pytest.raises(EvaluationError, match=r"bsds: has 1 training pictures; .* began with 2"):
        train(recipe, folder)
    (tmp_path / "1.jpg").rename(picture)
    resumed = train(recipe, folder) / "model.safetensors"
    undisturbed = train(recipe, tmp_path / "undisturbed") / "model.safetensors"
    assert resumed.read_bytes() == undisturbed.read_bytes()


def test_two_batches_do_not_share_an_output_folder(photos, tmp_path, toy_onnx):
    command = ("edges", photos, "-m", toy_onnx, "-o", tmp_path / "out")
    with locked(tmp_path / "out"):
        done = run(*command)
    assert done.returncode == 1
    assert f"out: process {os.getpid()} is working in this folder" in done.stderr
    assert names(tmp_path / "out") == []
    assert run(*command).returncode == 0
    assert names(tmp_path / "out") == ["0.png", "1.png", "2.png", "3.png"]


def test_sigterm_ends_a_batch_like_ctrl_c(photos, tmp_path, toy_onnx):
    for number in range(4, 600):
        (photos / f"{number}.png").write_bytes((photos / "2.png").read_bytes())
    out = tmp_path / "out"
    command = [*COMMAND, "edges", photos, "-m", toy_onnx, "-o", out, "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while len(list(out.glob("[0-9]*.png"))) < 9:  # finished maps: no lock, no temporary file
        time.sleep(0.005)
        assert process.poll() is None
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert errors.endswith(
        "featheredge: stopped by SIGTERM; to continue, type the same command again\n"
    )
    found = names(out)
    assert len(found) >= 9
    assert all(Image.open(out / name).load() for name in found), "no lock, nothing half-written"


def test_a_clock_that_jumps_changes_no_training(recipe, tmp_path, monkeypatch):
    undisturbed = train(recipe, tmp_path / "undisturbed") / "model.safetensors"
    jumps = iter(np.random.default_rng(0).normal(1e9, 1e8, 100_000))
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    found = train(recipe, tmp_path / "run") / "model.safetensors"
    assert found.read_bytes() == undisturbed.read_bytes()


def test_files_from_the_future_and_the_past_are_found_in_a_watched_folder(photos, monkeypatch):
    for name, changed in (("0.png", 0), ("1.png", 4e9)):
        os.utime(photos / name, (changed, changed))
    watcher = Watcher([str(photos)], Naming(photos.parent / "out"), settle_s=0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert [job.source.name for job in watcher.ready()] == ["0.png", "1.png", "2.png", "3.png"]


def test_no_source_measures_with_the_clock_of_the_wall():
    """`time.time` jumps; `time.monotonic` and `time.perf_counter` do not."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("time.time", "time.time_ns"), path
