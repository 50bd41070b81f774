"""The scripts that train on several machines, with programs that stand in for ssh and Slurm."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toys import write_bsds, write_recipe

EXAMPLES = Path(__file__).parents[2] / "examples"

#: Programs that do on this machine what they would do on others.
PROGRAMS = {
    "ssh": 'shift 2; exec bash -c "$1"',
    "srun": 'exec "$@"',
    "scontrol": "echo localhost",
    "python": f'exec {sys.executable} "$@"',
}

SETTINGS = ("--set", "schedule.epochs=1", "--set", "data.val_splits=[]")


def run(folder: Path, *arguments: str, **variables: str) -> list[int]:
    """Run a script; returns the steps in the log of the training run."""
    programs = folder / "bin"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    write_recipe(folder, write_bsds(folder / "bsds", "train", 6))
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        ["bash", *arguments, "toy.toml", *SETTINGS],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "runs/toy/model/model.safetensors").exists()
    log = (folder / "runs/toy/log.jsonl").read_text()
    return [json.loads(line)["step"] for line in log.splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="bash scripts")
def test_two_machines_over_ssh(tmp_path):
    script = str(EXAMPLES / "train_ssh.sh")
    steps = run(tmp_path, script, "localhost localhost", "1", MASTER_PORT="29517")
    assert steps == [1, 2, 3], "6 pictures in batches of 2, of which each machine has one"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="bash scripts")
def test_one_node_of_a_slurm_cluster(tmp_path):
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "localhost", "SLURM_JOB_NUM_NODES": "1"}
    script = str(EXAMPLES / "train.sbatch")
    assert run(tmp_path, script, SLURM_CPUS_PER_TASK="2", PROCESSES="2", **job) == [1, 2, 3]
