"""The run of a batch: pictures are read, processed and written in parallel, in threads.

Decoders, ONNX Runtime and encoders release Python's lock, so threads use all cores with one
network in memory. A fixed number of pictures is processed at a time; two more threads read the
next picture or write the last one meanwhile. So memory does not grow with the number of files.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Generic, TypeAlias, TypeVar

from featheredge.address import Place
from featheredge.batch.picture import Notes, Output
from featheredge.batch.plan import Job, exists, mask_path
from featheredge.errors import FeatheredgeError, OutputError
from featheredge.files import write_bytes
from featheredge.inputs import PictureFile, Source, read
from featheredge.stages import Stage, record

T = TypeVar("T")
R = TypeVar("R")

Work: TypeAlias = Callable[[PictureFile], Output]
"""Converts the content of an input file to the content of its output file; called in threads."""

_NUM_WAITING = 2  # threads that read or write while the others compute


@dataclass(frozen=True)
class Result:
    """The result of one job.

    Attributes:
        job: The job.
        error: The error message if the job failed, else None.
        skipped: Whether the job was skipped because its output exists.
        stages: Seconds by stage.
        notes: What `work` noted about the picture.
    """

    job: Job
    error: str | None = None
    skipped: bool = False
    stages: dict[Stage, float] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """The time that the picture took, without waiting for its turn."""
        return sum(self.stages.values())


def run(
    jobs: Iterable[Job],
    work: Work,
    *,
    force: bool,
    workers: int = 1,
    read: Callable[[Source], PictureFile] = read,
    write: Callable[[Place, bytes], None] = write_bytes,
) -> Generator[Result]:
    """Run jobs in parallel; a job that fails does not stop the others.

    Args:
        jobs: The jobs from `plan`, taken when they are needed.
        work: Converts the content of an input file to the content of its output file.
        force: Whether to replace existing outputs. If not, jobs whose outputs exist are skipped.
        workers: Pictures that are processed at the same time, at least 1.
        read: Reads an input file.
        write: Writes an output file.

    Yields:
        The result of each job, in the order of the jobs. When the iterator is closed, or Ctrl-C
        interrupts it, no further picture is written, and those in process end first.
    """
    stop = _Stop(workers)

    def process(job: Job) -> Result:
        return _process(job, work, read, write, force, stop)

    with _Threads(process, workers + _NUM_WAITING) as threads, stop:
        yield from threads.in_order(jobs)


class _Stopped(Exception):
    """Raised in a thread whose picture is no longer wanted."""


class _Stop:
    """Limits how many pictures are processed, and waits for them when the batch ends early.

    Reading is not waited for: a pipe or a dead network drive can block it without end.
    """

    def __init__(self, workers: int) -> None:
        self._num_slots = {"work": workers, "write": workers + _NUM_WAITING}
        self._slots = {name: threading.Semaphore(num) for name, num in self._num_slots.items()}
        self._stopped = False

    def __enter__(self) -> "_Stop":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for name, num in self._num_slots.items():
            for _slot in range(num):
                self._slots[name].acquire()
            self._slots[name].release(num)

    def check(self) -> None:
        """Raise an error if the batch has ended."""
        if self._stopped:
            raise _Stopped

    @contextmanager
    def slot(self, name: str) -> Iterator[None]:
        """Wait for a slot and hold it during the body."""
        with self._slots[name]:
            self.check()
            yield


def _process(
    job: Job,
    work: Work,
    read: Callable[[Source], PictureFile],
    write: Callable[[Place, bytes], None],
    force: bool,
    stop: _Stop,
) -> Result:
    """Read, process and write one picture."""
    stop.check()
    if not force and exists(job.output):
        return Result(job, skipped=True)
    done = Result(job)
    try:
        with record("read") as reading:
            picture = read(job.source)
        with stop.slot("work"), record("post-processing") as working:
            output = work(picture)
        with stop.slot("write"), record("write") as writing:
            if output.mask is not None:
                _refuse_existing_mask(mask_path(job.output), force)
                _write(write, mask_path(job.output), output.mask)
            _write(write, job.output, output.content)
        done = replace(done, notes=output.notes)
    except FeatheredgeError as failure:
        return replace(done, error=str(failure))
    except MemoryError:
        return replace(done, error=f"{job.source}: not enough memory; lower --workers")
    return replace(done, stages={**reading, **working, **writing})


def _refuse_existing_mask(path: Place, force: bool) -> None:
    if not force and exists(path):
        raise OutputError(f"{path} exists; add -f to replace it and the cut-out")


def _write(write: Callable[[Place, bytes], None], path: Place, content: bytes) -> None:
    try:
        write(path, content)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


class _Threads(Generic[T, R]):
    """Threads that apply a function to items; the results keep the order of the items.

    They are daemon threads, so that one that is blocked in a read does not keep Python from
    ending. `concurrent.futures` would wait for it.
    """

    def __init__(self, function: Callable[[T], R], num_threads: int) -> None:
        self._function = function
        self._tasks: SimpleQueue[tuple[T, Future[R]] | None] = SimpleQueue()
        self._num_threads = num_threads

    def __enter__(self) -> "_Threads[T, R]":
        for number in range(self._num_threads):
            threading.Thread(target=self._serve, name=f"batch-{number}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in range(self._num_threads):
            self._tasks.put(None)

    def in_order(self, items: Iterable[T]) -> Iterator[R]:
        """Yield the results; a few more items than threads are taken ahead."""
        waiting: deque[Future[R]] = deque()
        for item in items:
            future: Future[R] = Future()
            waiting.append(future)
            self._tasks.put((item, future))
            if len(waiting) > 2 * self._num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _serve(self) -> None:
        while task := self._tasks.get():
            item, future = task
            try:
                future.set_result(self._function(item))
            except BaseException as error:
                future.set_exception(error)
