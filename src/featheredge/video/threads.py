"""Threads around a loop: items are read ahead of it and written behind it, a few at a time.

The queues are short, so that memory does not depend on the number of items.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")

DEPTH = 4
"""Number of items in each queue."""


class _End:
    """The last entry of a queue, with the error that ended it, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def read_ahead(items: Iterable[Item], depth: int = DEPTH) -> Iterator[Iterator[Item]]:
    """Iterate in a thread; yield an iterator over the same items, in the same order.

    An error of `items` is raised where the loop takes the next item. When the block ends early,
    the thread ends after its current item.

    Args:
        items: What to iterate over.
        depth: Number of items that are read ahead.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    left = threading.Event()

    def put(item: Item | _End) -> None:
        while not left.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for item in items:
                put(item)
                if left.is_set():
                    break
            put(_End())
        except BaseException as error:
            put(_End(error))

    def take() -> Iterator[Item]:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        left.set()
        thread.join()


@contextmanager
def write_behind(
    write: Callable[[Item], None], depth: int = DEPTH
) -> Iterator[Callable[[Item], None]]:
    """Call `write` in a thread; yield a function that hands it the next item.

    All items are written when the block ends without an error. An error of `write` is raised by
    the next call, or at the end of the block.

    Args:
        write: Writes one item.
        depth: Number of items that wait to be written; a further call waits for a free place.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    failed: list[BaseException] = []

    def run() -> None:
        while not isinstance(item := waiting.get(), _End):
            if failed:
                continue  # the items that are left are taken, so that `hand_over` never waits
            try:
                write(item)
            except BaseException as error:
                failed.append(error)

    def hand_over(item: Item) -> None:
        if failed:
            raise failed[0]
        waiting.put(item)

    thread = threading.Thread(target=run, name="write behind", daemon=True)
    thread.start()
    try:
        yield hand_over
    finally:
        waiting.put(_End())
        thread.join()
    if failed:
        raise failed[0]
