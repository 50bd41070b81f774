"""Threads around a loop: order, errors from both sides, and an early end."""

import threading
from itertools import count

import pytest

from featheredge.video.threads import read_ahead, write_behind


def test_order_is_kept():
    written: list[int] = []
    with read_ahead(range(100)) as items, write_behind(written.append) as hand_over:
        for item in items:
            hand_over(item)
    assert written == list(range(100))


def test_an_error_of_the_reader_is_raised_after_its_items():
    def items():
        yield 1
        raise ValueError("broken")

    seen: list[int] = []
    with pytest.raises(ValueError, match="broken"), read_ahead(items()) as ahead:
        seen.extend(ahead)
    assert seen == [1]


def test_an_error_of_the_writer_is_raised_and_does_not_block():
    def write(item: int) -> None:
        raise OSError("full")

    def hand_over_all() -> None:
        with write_behind(write, depth=1) as hand_over:
            for item in range(50):
                hand_over(item)

    with pytest.raises(OSError, match="full"):
        hand_over_all()


def test_the_reader_ends_when_the_loop_ends_early():
    with read_ahead(count(), depth=2) as items:
        assert next(items) == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "read ahead"]


def test_few_items_are_ahead():
    taken = []
    with read_ahead((taken.append(item) or item for item in range(1000)), depth=3) as items:
        for item in items:
            assert len(taken) <= item + 6
