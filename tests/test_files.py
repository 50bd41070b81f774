"""Files are replaced whole, and what a killed process leaves is swept."""

import signal
import subprocess
import sys

import pytest

from featheredge import files
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
