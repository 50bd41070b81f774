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
import threading
import traceback
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from featheredge import batch
from featheredge.address import Place
from featheredge.batch import Job, Result, Work
from featheredge.cluster.manifest import Manifest, Row
from featheredge.cluster.packed import Packed, ParquetRow, TarMember, read_packed
from featheredge.extras import require
from featheredge.files import write_bytes
from featheredge.inputs import PictureFile, Source, read

if TYPE_CHECKING:
    import pyarrow as pa

UNIT_PICTURES = 32
"""Pictures of a unit; a row group of a Parquet file is a unit of its own."""

_NUM_RETRIES = 2


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
    """Run jobs on a cluster, like `featheredge.batch.run` on one machine.

    The cluster is that of the variable RAY_ADDRESS or the one that runs on this machine. If there
    is none, one of all cores of this machine is started, and ended at the end.

    Args:
        jobs: The jobs.
        work: Converts the content of an input file to the content of its output file. It is
            pickled, and unpickled once in every worker process.
        folder: The output folder, in which the manifest is kept.
        force: Whether to process inputs again that the manifest says are done.
        workers: Worker processes, each for one picture at a time. None is one for every `threads`
            cores of the cluster.
        threads: Cores that a worker process takes.
        allow_private: Whether URLs may lead to addresses that are not public.
        unit_pictures: Pictures that a worker takes together.

    Yields:
        The result of each job, as they come. When the iterator is closed, the manifest is complete
        for all results that came.

    Raises:
        MissingExtraError: Ray is not installed.
        OutputError: The manifest cannot be read or written.
    """
    require("ray", "--engine ray")
    with Manifest(folder) as manifest:
        kept = {} if force else {job: None for job in jobs if manifest.has(job)}
        if manifest.is_new:
            for job in kept:
                manifest.add(Row(str(job.source), str(job.output), "skipped"))
        manifest.flush()
        yield from (Result(job, skipped=True) for job in kept)
        todo = [job for job in jobs if job not in kept]
        with _Cluster(work, workers, threads, allow_private) as cluster:
            for done in cluster.results(todo, unit_pictures):
                manifest.add(_row(done))
                yield done.result


def units(jobs: Iterable[Job], most: int) -> Iterator[list[Job]]:
    """Divide jobs into units that are each read from one place.

    Args:
        jobs: The jobs, those of one tar or Parquet file next to each other.
        most: Most pictures of a unit, except for a row group, which is one unit.
    """
    for part, group in itertools.groupby(jobs, key=lambda job: _part(job.source)):
        size = None if isinstance(part, tuple) else most
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


class _Cluster:
    """A connection to Ray, started if there is none."""

    def __init__(self, work: Work, workers: int | None, threads: int, allow_private: bool) -> None:
        self._arguments = (work, allow_private, os.getcwd())  # noqa: PTH109 - only passed on
        self._workers, self._threads = workers, threads

    def __enter__(self) -> "_Cluster":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        import ray

        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        if self._is_ours:
            ray.shutdown()

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
        present = max(int(ray.cluster_resources()["CPU"] // self._threads), 1)
        most = min(self._workers or present, len(blocks))
        with warnings.catch_warnings():  # of the keyword of retries, which has no other name yet
            warnings.simplefilter("ignore")
            mapped = ray.data.from_arrow(blocks).map_batches(
                _Worker,
                fn_constructor_args=self._arguments,
                batch_size=None,  # the unit
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(min_size=min(most, present), max_size=most),
                num_cpus=self._threads,
                max_task_retries=_NUM_RETRIES,
            )
        for table in mapped.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from map(pickle.loads, table.column("done").to_pylist())


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
