"""`make bench` knows every benchmark script, and says which it skips."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def run_all(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import run_all

    return run_all


def test_every_script_is_run_or_skipped_for_a_reason(run_all):
    scripts = {path.name for path in BENCHMARKS.glob("*.py")} - {
        "interleaved.py",
        "load_clients.py",
        "run_all.py",
        "trees.py",
    }
    assert {command.split()[0] for command in run_all.QUICK} | set(run_all.SKIPPED) == scripts


def test_a_failed_benchmark_is_shown_and_counted(run_all, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(run_all, "QUICK", ("bench_startup.py 1", "bench_latency_table.py none"))
    monkeypatch.setattr(sys, "argv", ["run_all.py", "--results", str(tmp_path)])
    assert run_all.main() == 1
    printed = capsys.readouterr().out
    assert "ran      bench_startup.py 1" in printed
    assert "failed   bench_latency_table.py none" in printed
    assert "unknown network 'none'" in printed
    assert "skipped  score_peer.py: needs weights of PiDiNet" in printed
    assert "1 of 2 benchmarks ran" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["startup.json"]


@pytest.mark.slow
def test_every_quick_benchmark_runs(tmp_path):
    command = [sys.executable, BENCHMARKS / "run_all.py", "--results", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "startup.json").is_file()
