"""Cases are interleaved, the warm-up round does not count, and the machine is described."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featheredge import timing


def test_cases_are_interleaved_and_the_warm_up_round_does_not_count():
    now = 0.0
    order = []
    durations = {"a": iter([9.0, 2.0, 4.0, 3.0]), "b": iter([9.0, 1.0, 1.0, 7.0])}

    def run(name: str) -> None:
        nonlocal now
        order.append(name)
        now += next(durations[name])

    cases = {"a": lambda: run("a"), "b": lambda: run("b")}
    timed = timing.time_cases(cases, 3, clock=lambda: now)
    assert order == ["a", "b"] * 4
    a = {"min_ms": 2000.0, "median_ms": 3000.0, "runs": 3, "iqr_ms": 1000.0}
    b = {"min_ms": 1000.0, "median_ms": 1000.0, "runs": 3, "iqr_ms": 3000.0}
    assert (asdict(timed["a"]), asdict(timed["b"])) == (a, b)


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=30))
def test_a_summary_agrees_with_numpy(rounds_ms):
    timed = timing.summarise(rounds_ms)
    low, middle, high = np.percentile(rounds_ms, [25, 50, 75])
    assert timed.min_ms == pytest.approx(min(rounds_ms), abs=1e-3)
    assert timed.median_ms == pytest.approx(middle, abs=1e-3)
    assert timed.iqr_ms == pytest.approx(high - low, abs=1e-3)


def test_a_paired_ratio_cancels_a_load_that_both_cases_share():
    load = [1.0, 9.0, 2.0, 30.0, 4.0]
    assert timing.paired_ratio([3 * each for each in load], load) == pytest.approx(3)
    with pytest.raises(ValueError, match="shorter"):
        timing.paired_ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (42.4, "42 s"),
        (59.7, "1 min"),
        (600, "10 min"),
        (3570, "1 h 0 min"),
        (7860, "2 h 11 min"),
        (2.5 * 86400, "2.5 days"),
    ],
)
def test_durations_in_words(seconds, words):
    assert timing.in_words(seconds) == words


def test_the_machine_is_described():
    machine = timing.describe_machine()
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert {"load_1_min", "system", "python", "date"} <= set(machine)


def test_a_machine_without_proc_or_load(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "Path", lambda path: tmp_path / "none")
    monkeypatch.delattr(timing.os, "getloadavg", raising=False)
    monkeypatch.delattr(timing.os, "sched_getaffinity", raising=False)
    machine = timing.describe_machine()
    assert machine["cpu"]
    assert machine["load_1_min"] is None
    assert timing.cpu_features() == []
    assert machine["cores"] == timing.os.cpu_count()


@pytest.mark.parametrize("rounds", [1, 2])
def test_every_case_is_timed(rounds):
    timed = timing.time_cases({"nothing": int, "little": dict}, rounds)
    assert [case.runs for case in timed.values()] == [rounds, rounds]
