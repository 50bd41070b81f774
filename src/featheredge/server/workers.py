"""Workers: threads that process pictures, each with its own networks, behind a bounded queue.

Threads are enough: decoding, networks and encoding run outside Python's global lock.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import HTTPException

from featheredge.server.served_models import ServedModel
from featheredge.session import Session

T = TypeVar("T")

_MAX_RETRY_SECONDS = 60
_FIRST = asyncio.FIRST_COMPLETED
_NEWEST = 0.1  # weight of the newest time in the mean


class Workers:
    """A fixed number of threads and a bounded queue before them."""

    def __init__(self, num: int, queue: int) -> None:
        """Make the threads.

        Args:
            num: Pictures that are processed at the same time.
            queue: Pictures that may wait.
        """
        self._num, self._queue = num, queue
        self._pool = ThreadPoolExecutor(num, thread_name_prefix="worker")
        self._own = threading.local()
        self._lock = threading.Lock()
        self._accepted = 0
        self._mean_seconds = 0.1

    @property
    def running(self) -> int:
        """Pictures that are processed now."""
        return min(self._accepted, self._num)

    @property
    def waiting(self) -> int:
        """Pictures that wait for a worker."""
        return max(self._accepted - self._num, 0)

    def session(self, model: ServedModel) -> Session:
        """Return the calling worker's own session of a network; it is opened on first use."""
        sessions: dict[str, Session] = self._own.__dict__.setdefault("sessions", {})
        if model.name not in sessions:
            sessions[model.name] = Session(model.path)
        return sessions[model.name]

    def refuse_if_full(self) -> None:
        """Raise an error if no more work is accepted.

        Raises:
            HTTPException: 429, with the time to wait in a Retry-After header.
        """
        if self._accepted >= self._num + self._queue:
            raise self._busy(f"the queue is full: {self.waiting} pictures wait")

    async def run(
        self, work: Callable[[], T], gone: "asyncio.Future[Any]", *, wait: float, limit: float
    ) -> T:
        """Run work on a worker and return its result.

        Work that waits when its time is over, or when its client is gone, is dropped. Work that
        has begun cannot be stopped: it keeps its worker until its end.

        Args:
            work: Called without arguments, on a worker.
            gone: Done when the client has closed the connection.
            wait: Most seconds in the queue.
            limit: Most seconds of the work itself.

        Raises:
            HTTPException: 429 if the queue is full or no worker is free in time, 503 if the work
                takes too long, 400 if the client is gone.
        """
        self.refuse_if_full()
        with self._lock:
            self._accepted += 1
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        future = self._pool.submit(self._timed, work, lambda: loop.call_soon_threadsafe(begun.set))
        future.add_done_callback(self._leave)
        result = asyncio.wrap_future(future)
        begins: asyncio.Future[Any] = asyncio.ensure_future(begun.wait())
        try:
            await asyncio.wait([result, begins, gone], timeout=wait, return_when=_FIRST)
            if future.cancel():
                if gone.done():
                    raise HTTPException(400, "the connection closed before the work began")
                raise self._busy(f"no worker was free within {wait:g} s")
            await asyncio.wait([result, gone], timeout=limit, return_when=_FIRST)
            if result.done():
                return result.result()
            if gone.done():
                raise HTTPException(400, "the connection closed before the answer was ready")
            raise HTTPException(
                503, f"the picture takes longer than the limit of {limit:g} s; send a smaller one"
            )
        finally:
            begins.cancel()
            result.cancel()

    def close(self) -> None:
        """Finish the accepted work and end the threads."""
        self._pool.shutdown(wait=True)

    def _timed(self, work: Callable[[], T], begun: Callable[[], object]) -> T:
        begun()
        started = time.perf_counter()
        try:
            return work()
        finally:
            seconds = time.perf_counter() - started
            self._mean_seconds += _NEWEST * (seconds - self._mean_seconds)

    def _leave(self, _: "Future[Any]") -> None:
        with self._lock:
            self._accepted -= 1

    def _busy(self, why: str) -> HTTPException:
        seconds = math.ceil(self._accepted * self._mean_seconds / self._num)
        seconds = min(max(seconds, 1), _MAX_RETRY_SECONDS)
        return HTTPException(429, f"{why}; try again in {seconds} s", {"Retry-After": str(seconds)})
