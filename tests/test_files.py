"""Files are replaced whole, and what a killed process leaves is swept."""

import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from featheredge import files
from featheredge.file_lock import try_lock
from featheredge.files import is_temporary, replacing, sweep, write_bytes

KILLED = """
import os, signal, sys
from pathlib import Path
from featheredge.files import replacing

with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_body_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_bytes(path, b"old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_bytes(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.txt", b"old")]


def test_what_a_killed_process_leaves_is_swept(tmp_path):
    path = tmp_path / "step" / "checkpoint.safetensors"
    for kept in (".hidden", ".settings.toml", "checkpoint.safetensors"):
        write_bytes(path.with_name(kept), b"kept")
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len([*path.parent.iterdir()]) == 4, "the temporary file stays"
    sweep(tmp_path)
    names = {".hidden", ".settings.toml", "checkpoint.safetensors"}
    assert {path.name for path in path.parent.iterdir()} == names


@pytest.mark.parametrize("name", ["short.npy", f"{'a' * 64}.npy", f"{'a' * 200}.png"])
def test_the_next_write_in_a_folder_removes_what_a_killed_process_left(tmp_path, name):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / name], check=False)
    (left,) = tmp_path.iterdir()
    assert is_temporary(left)
    files._swept.discard(tmp_path)
    write_bytes(tmp_path / "another.txt", b"text")
    assert [path.name for path in tmp_path.iterdir()] == ["another.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="there, open files cannot be removed")
def test_a_file_that_is_being_written_is_not_swept(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as temporary:
        temporary.write_bytes(b"text")
        sweep(tmp_path)
        assert temporary.exists()
    assert path.read_bytes() == b"text"


@pytest.fixture
def after_creation(monkeypatch):
    """Call a function once after the next temporary file is created, before it is locked."""

    def call(function):
        def first(file):
            monkeypatch.setattr(files, "try_lock", try_lock)
            function()
            return try_lock(file)

        monkeypatch.setattr(files, "try_lock", first)

    return call


@pytest.mark.skipif(sys.platform == "win32", reason="there, open files cannot be removed")
def test_a_file_swept_before_it_is_locked_is_created_again(tmp_path, after_creation):
    after_creation(lambda: sweep(tmp_path))
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_bytes(b"text")
        sweep(tmp_path)  # this one is locked
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.txt", b"text")]


@pytest.mark.skipif(sys.platform == "win32", reason="there, open files cannot be removed")
def test_a_file_that_a_sweep_is_about_to_remove_is_not_used(tmp_path, after_creation):
    with ExitStack() as sweeping:

        def begin_to_sweep():
            (temporary,) = tmp_path.iterdir()
            assert try_lock(sweeping.enter_context(temporary.open("rb")))
            sweeping.callback(temporary.unlink)

        after_creation(begin_to_sweep)
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_bytes(b"text")
            sweeping.close()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.txt", b"text")]
