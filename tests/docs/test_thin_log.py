"""Thinned logs keep the shape of a run: equal parts of every epoch, means, validations."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def thin(log: Path, epochs: int) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        sys.executable,
        ROOT / "tools/thin_log.py",
        log,
        "--epochs",
        str(epochs),
        "-o",
        log,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def log(tmp_path) -> Path:
    """90 steps of 3 epochs, validated after each; the loss of a step is its number."""
    path = tmp_path / "log.jsonl"
    lines = []
    for step in range(1, 91):
        lines.append({"step": step, "loss": float(step), "lr": 0.1, "samples_per_s": 2.0})
        if step % 30 == 0:
            lines.append({"step": step, "epoch": step // 30, "val_loss": step / 100})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_short_run_keeps_equal_parts_of_every_epoch(log):
    assert thin(log, 3).returncode == 0
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert len(records) == 21
    assert sum(record["steps"] for record in records) == 90
    assert [r["val_loss"] for r in records if "val_loss" in r] == [0.3, 0.6, 0.9]
    assert [r["epoch"] for r in records if "val_loss" in r] == [1, 2, 3]
    total = sum(record["loss"] * record["steps"] for record in records)
    assert total == pytest.approx(sum(range(1, 91)), rel=1e-4)


def test_long_run_keeps_one_line_an_epoch(log):
    assert thin(log, 30).returncode == 0
    records = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [record["epoch"] for record in records] == list(range(1, 31))
    assert records[0]["loss"] == 2  # the mean of steps 1, 2 and 3


def test_thinned_log_is_refused(log):
    thin(log, 3)
    before = log.read_bytes()
    done = thin(log, 3)
    assert done.returncode != 0
    assert "thinned already" in done.stderr
    assert log.read_bytes() == before
