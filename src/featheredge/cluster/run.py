"""The run of a batch in the processes of a Ray cluster, with Ray Data.

Ray Data moves descriptions of pictures, never pictures: each block is the jobs of one unit, which
a worker process reads, processes and writes with the pipeline of a single machine. So Ray's object
store stays small, a picture that cannot be read is a result like any other, and a unit whose
worker is killed is processed again, with the same outputs.
"""

import hashlib
import itertools
import logging
import os
import pickle
import socket
import threading
import traceback
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from featheredge import batch
from featheredge.address import Place
from featheredge.batch import Job, Result, Work
from featheredge.cluster.manifest import Manifest, Row
from featheredge.cluster.packed import Packed, ParquetRow, TarMember, read_packed
from featheredge.errors import ClusterError
from featheredge.extras import require
from featheredge.files import write_bytes
from featheredge.inputs import PictureFile, Source, read

if TYPE_CHECKING:
    import pyarrow as pa

UNIT_PICTURES = 32
"""Pictures of a unit; a row group of a Parquet file is a unit of its own."""

_NUM_RETRIES = 2
_CONNECT_S = 10.0


class _Done(NamedTuple):
    """What a worker returns for each job."""

    result: Result
    sha256: str | None


def run(
    jobs: Sequence[Job],
    work: Work,
    folder: Place,
    *,
    force: bool,
    workers: int | None = None,
    threads: int = 1,
    allow_private: bool = False,
    unit_pictures: int = UNIT_PICTURES,
) -> Generator[Result]:
    """Run jobs on the cluster of `connected`, like `featheredge.batch.run` on one machine.

    Args:
        jobs: The jobs.
        work: Converts the content of an input file to the content of its output file. It is
            pickled, and unpickled once in every worker process.
        folder: The output folder, in which the manifest is kept.
        force: Whether to process inputs again that the manifest says are done.
        workers: Worker processes, each for one picture at a time; None is `num_workers`.
        threads: Cores that a worker process takes.
        allow_private: Whether URLs may lead to addresses that are not public.
        unit_pictures: Pictures that a worker takes together.

    Yields:
        The result of each job, as they come. When the iterator is closed, the manifest is complete
        for all results that came.

    Raises:
        OutputError: The manifest cannot be read or written.
        ClusterError: No worker process can be started.
    """
    with Manifest(folder) as manifest:
        kept = {} if force else {job: None for job in jobs if manifest.has(job)}
        if manifest.is_new:
            for job in kept:
                manifest.add(Row(str(job.source), str(job.output), "skipped"))
        manifest.flush()
        yield from (Result(job, skipped=True) for job in kept)
        todo = [job for job in jobs if job not in kept]
        pool = _Pool(work, allow_private, workers or num_workers(threads), threads)
        for done in pool.results(todo, unit_pictures):
            manifest.add(_row(done))
            yield done.result


@contextmanager
def connected() -> Iterator[None]:
    """Connect to the cluster of the variable RAY_ADDRESS, or the one that runs on this machine.

    If there is none, one of all cores of this machine is started, and ended at the end. Inside
    another connection, nothing happens.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: The cluster cannot be reached or started.
    """
    require("ray", "--engine ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        _knock(os.environ.get("RAY_ADDRESS", ""))
        ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (OSError, RuntimeError, ValueError) as error:
        where = os.environ.get("RAY_ADDRESS", "this machine")
        raise ClusterError(
            f"Ray does not answer at {where}: {error}; set RAY_ADDRESS to HOST:PORT of the head "
            "node, or unset it to use this machine alone"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise an OSError if nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()


def num_workers(threads: int) -> int:
    """Return how many worker processes of `threads` cores the cluster has room for, at least 1."""
    import ray

    return max(int(ray.cluster_resources().get("CPU", 0) // threads), 1)


def units(jobs: Iterable[Job], most: int) -> Iterator[list[Job]]:
    """Divide jobs into units that are each read from one place.

    Args:
        jobs: The jobs, those of one tar or Parquet file next to each other.
        most: Most pictures of a unit. If it is more than 1, a row group is one unit of any size.
    """
    for part, group in itertools.groupby(jobs, key=lambda job: _part(job.source)):
        size = None if isinstance(part, tuple) and most > 1 else most
        while unit := list(itertools.islice(group, size)):
            yield unit


def _part(source: Source) -> object:
    """Return what is read at once: the tar or row group of a picture, None for a file."""
    if isinstance(source, ParquetRow):
        return (source.container, source.row_group)
    return source.container if isinstance(source, TarMember) else None


def _row(done: _Done) -> Row:
    result = done.result
    source, output = str(result.job.source), str(result.job.output)
    if result.error is not None:
        return Row(source, output, "failed", result.error)
    return Row(source, output, "ok", None, round(1e3 * result.seconds, 3), done.sha256)


class _Pool:
    """Worker processes of a cluster."""

    def __init__(self, work: Work, allow_private: bool, workers: int, threads: int) -> None:
        self._arguments = (work, allow_private, os.getcwd())  # noqa: PTH109 - only passed on
        self._workers, self._threads = workers, threads

    def results(self, jobs: Sequence[Job], unit_pictures: int) -> Iterator[_Done]:
        """Yield the result of each job.

        A unit whose worker dies again and again is dropped by Ray. Its pictures are then processed
        one by one, so that only the picture that kills its worker fails.
        """
        left = dict.fromkeys(jobs)
        for size in (unit_pictures, 1):
            for done in self._map(list(left), size):
                if isinstance(done, Exception):
                    raise done
                if done.result.job in left:
                    del left[done.result.job]
                    yield done
        for job in left:
            error = (
                f"{job.source}: its worker process was killed {_NUM_RETRIES + 1} times, for memory "
                "or by a crash; the other pictures are done"
            )
            yield _Done(Result(job, error=error), None)

    def _map(self, jobs: Sequence[Job], unit_pictures: int) -> Iterator[_Done | Exception]:
        if not jobs:
            return
        import ray.data

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # results tell what failed
        settings = ray.data.DataContext.get_current()
        settings.enable_progress_bars = False
        settings.max_errored_blocks = -1
        blocks = [_block(unit) for unit in units(jobs, unit_pictures)]
        most = min(self._workers, len(blocks))
        least = min(most, num_workers(self._threads))
        with warnings.catch_warnings():  # of the keyword of retries, which has no other name yet
            warnings.simplefilter("ignore")
            mapped = ray.data.from_arrow(blocks).map_batches(
                _Worker,
                fn_constructor_args=self._arguments,
                batch_size=None,  # the unit
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
                num_cpus=self._threads,
                max_task_retries=_NUM_RETRIES,
            )
        try:
            for table in mapped.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield from map(pickle.loads, table.column("done").to_pylist())
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"Ray cannot start workers: {str(error).strip().splitlines()[-1]}; every machine "
                "needs the same version of featheredge, and the model's file at the same path"
            ) from error


class _Worker:
    """A worker process: one network, and units of jobs one after the other."""

    def __init__(self, work: Work, allow_private: bool, folder: str) -> None:
        with suppress(OSError):  # names in options are relative to where the command was typed
            os.chdir(folder)
        self._work, self._allow_private = work, allow_private

    def __call__(self, block: "pa.Table") -> "pa.Table":
        import pyarrow as pa

        jobs = [pickle.loads(job) for job in block.column("job").to_pylist()]
        return pa.table({"done": [pickle.dumps(each) for each in self._process(jobs)]})

    def _process(self, jobs: Sequence[Job]) -> list[_Done | Exception]:
        digests: dict[Place, str] = {}

        def write(path: Place, content: bytes) -> None:
            digests[path] = hashlib.sha256(content).hexdigest()
            write_bytes(path, content)

        # Of an earlier worker that was killed in this unit, outputs can exist: they are replaced.
        reader = _UnitReader(jobs, self._allow_private)
        try:
            return [
                _Done(replace(result, notes=dict(result.notes)), digests.get(result.job.output))
                for result in batch.run(jobs, self._work, force=True, read=reader, write=write)
            ]
        except Exception:  # of the program: Ray would take it for a death of the process
            return [RuntimeError(f"a worker process failed:\n{traceback.format_exc()}")]


class _UnitReader:
    """Reads the pictures of one unit: packed ones all at once, when the first is needed."""

    def __init__(self, jobs: Sequence[Job], allow_private: bool) -> None:
        self._packed = [job.source for job in jobs if isinstance(job.source, Packed)]
        self._contents: dict[Any, bytes] | None = None
        self._allow_private = allow_private
        self._lock = threading.Lock()

    def __call__(self, source: Source) -> PictureFile:
        if not isinstance(source, Packed):
            return read(source, allow_private=self._allow_private)
        with self._lock:
            if self._contents is None:
                self._contents = read_packed(self._packed)
        return PictureFile(self._contents[source], str(source))


def _block(unit: Sequence[Job]) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"job": [pickle.dumps(job) for job in unit]})
