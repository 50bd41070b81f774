"""The number of threads: checked, or chosen from the idle cores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featheredge import cpu_threads
from featheredge.cpu_threads import MOST_MEASURED, auto_threads, resolve_threads
from featheredge.errors import ArgumentError
from featheredge.session import Session


@given(st.integers(1, 256), st.floats(0, 1000))
def test_auto_stays_within_what_is_measured_and_idle(cores, load):
    threads = auto_threads(cores, load)
    assert 1 <= threads <= min(cores, MOST_MEASURED)
    assert threads == 1 or threads <= cores - load + 0.5


def test_auto_takes_idle_cores():
    assert auto_threads(2, 0.1) == 2
    assert auto_threads(2, 0.9) == 1
    assert auto_threads(64, 3) == MOST_MEASURED


def test_a_session_says_what_auto_chose(monkeypatch, toy_onnx):
    monkeypatch.setattr(cpu_threads, "num_cores", lambda: 8)
    monkeypatch.setattr(cpu_threads, "load_1_min", lambda: None)
    session = Session(toy_onnx, threads="auto")
    assert session.threads == MOST_MEASURED
    assert "threads='auto'" in repr(session)


@pytest.mark.parametrize("threads", [0, -1, 10_000, "many", 1.5])
def test_other_values_are_refused(threads):
    with pytest.raises(ArgumentError, match="or 'auto'"):
        resolve_threads(threads)
