"""One process at a time writes in a run folder, and a killed one leaves it free."""

import subprocess
import sys

import pytest

from featheredge.errors import OutputError
from featheredge.run_folder import locked

HOLD = """
import sys
from pathlib import Path
from featheredge.run_folder import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_free_again_afterwards(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "run"):
            assert (tmp_path / "run").is_dir()
        assert not [*(tmp_path / "run").iterdir()], "the lock file is removed"


def test_a_lock_file_without_a_living_process_is_ignored(tmp_path):
    (tmp_path / ".lock").write_text("1")  # a process that lives, but holds no lock
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/run: cannot be written: Not a directory"):
        locked(tmp_path / "file" / "run").__enter__()


def test_another_process_is_refused_and_a_killed_one_frees_the_folder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(OutputError, match=f"process {holder.pid} is working in this folder"),
            locked(tmp_path),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with locked(tmp_path):
        pass
