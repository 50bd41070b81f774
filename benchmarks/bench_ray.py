"""Pictures on a Ray cluster of this machine: scaling from one to two workers, and memory.

Speed: edges of JPEG pictures of 481x321 pixels, from file to file. Every round runs one machine's
pipeline with one worker, and Ray with one and two worker processes. The start of processes is left
out: time counts from the first result of every worker to the last result. Processor time is that of
this process and of the workers, and other programs disturb it little.

Memory: many files, which are links of two, and copying in place of a network, so that only the
engine counts. The peak of the driver process after each count shows what an input costs; workers
are sampled twice a second.

    python benchmarks/bench_ray.py [--pictures N] [--rounds N] [--inputs N ...] [--model M]
"""

import argparse
import logging
import os
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from bench_folder import write_pictures
from featheredge import batch, cluster, timing
from featheredge.batch import Drawn, Job, Naming, Output, PictureWork, Result
from featheredge.cli.results import print_results
from featheredge.cluster.run import UNIT_PICTURES
from featheredge.inputs import PictureFile
from featheredge.png import quantise
from featheredge.session import Session
from interleaved import write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1000, help="several units of 32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inputs", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--model", default="mobile-edge-s")
    parser.add_argument("--folder", help="where the outputs of the memory test are written")
    options = parser.parse_args()
    start_ray()
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), options.pictures)
        with sampled_workers() as peaks:
            speed = measure_speed(Path(folder), options.model, options.rounds)
        speed["worker_peak_mb"] = round(max(peaks), 1)
    memory = {}
    for count in options.inputs:  # the peak of this process only grows: small counts come first
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            memory[count] = measure_memory(Path(folder), count)
    measured = {"model": options.model, "pictures": options.pictures, "rounds": options.rounds}
    write_result("ray", {**measured, "speed": speed, "memory": memory})


def start_ray() -> None:
    import ray

    ray.init(num_cpus=2, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    logging.getLogger("ray").setLevel(logging.ERROR)


def measure_speed(folder: Path, model: str, rounds: int) -> dict[str, object]:
    """Return medians over the rounds."""
    work = edges_of(model)
    rates: dict[str, list[Rate]] = {"one machine, 1 worker": [], "Ray, 1": [], "Ray, 2": []}
    loads = []
    for _ in range(rounds):
        for name, values in rates.items():
            with tempfile.TemporaryDirectory() as output:
                jobs = jobs_of(folder / "in", Path(output))
                values.append(rate_of(name, jobs, work, Path(output)))
            loads.append(timing.load_1_min())
    first, one, two = rates.values()
    return {
        "pictures_per_s": {
            name: round(statistics.median(each.per_s for each in values), 2)
            for name, values in rates.items()
        },
        "cpu_ms_per_picture": {
            name: round(statistics.median(each.cpu_ms for each in values), 2)
            for name, values in rates.items()
        },
        "ratio_of_2_to_1_worker": ratio(two, one),
        "ratio_of_ray_to_one_machine": ratio(one, first),
        "loads_1_min": loads,
    }


class Rate(NamedTuple):
    """Pictures per second of elapsed time, and processor milliseconds of each."""

    per_s: float
    cpu_ms: float


def ratio(above: list[Rate], below: list[Rate]) -> float:
    pairs = zip(above, below, strict=True)
    return round(statistics.median(a.per_s / b.per_s for a, b in pairs), 2)


def rate_of(name: str, jobs: list[Job], work: PictureWork, output: Path) -> Rate:
    """Process pictures and return the rate without the start."""
    if not name.startswith("Ray"):
        return rate(batch.run(jobs, work, force=True), 1)
    workers = int(name[-1])
    results = cluster.run(jobs, work, output, force=True, workers=workers)
    return rate(results, workers * UNIT_PICTURES)


def rate(results: Iterable[Result], num_first: int) -> Rate:
    """Return the rate of the results after the first ones."""
    marks = []
    for count, result in enumerate(results, start=1):
        assert result.error is None, result.error
        if count >= num_first and count % UNIT_PICTURES == 0:  # while the workers live
            marks.append((count, time.perf_counter(), cpu_s()))
    (first, started, cpu_started), (last, ended, cpu_ended) = marks[0], marks[-1]
    count = last - first
    return Rate(count / (ended - started), 1e3 * (cpu_ended - cpu_started) / count)


def cpu_s() -> float:
    """Return the processor time of this process and of the workers."""
    total = time.process_time()
    for folder in worker_folders():
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure_memory(folder: Path, count: int) -> dict[str, float]:
    """Return peaks and times for many inputs, of which only the names differ."""
    inputs = folder / "in"
    inputs.mkdir()
    sources = [folder / "even.jpg", folder / "odd.jpg"]
    for number, source in enumerate(sources):
        Image.effect_noise((64, 48), 60 + number).convert("RGB").save(source)
    for number in range(count):
        (inputs / f"{number:06}.jpg").hardlink_to(sources[number % 2])
    started = time.perf_counter()
    jobs = jobs_of(inputs, folder / "out")
    planned = time.perf_counter()
    with sampled_workers() as peaks:
        results = cluster.run(jobs, copy, folder / "out", force=False)
        assert print_results(results, "copy", "edges", "quiet", 2, "there", count) == 0
    return {
        "driver_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "worker_peak_mb": round(max(peaks), 1),
        "seconds_to_list": round(planned - started, 2),
        "seconds": round(time.perf_counter() - planned, 1),
        "manifest_mb": round((folder / "out" / "manifest.parquet").stat().st_size / 1e6, 2),
        "load_1_min": timing.load_1_min() or 0.0,
    }


@contextmanager
def sampled_workers() -> Iterator[list[float]]:
    """Yield a list that gets the peak of every worker process, in megabytes."""
    peaks, ended = [0.0], threading.Event()

    def sample() -> None:
        while not ended.wait(0.5):
            peaks.extend(worker_peaks())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def worker_peaks() -> Iterator[float]:
    for folder in worker_folders():
        with suppress(OSError, IndexError):  # it has ended
            status = (folder / "status").read_text()
            yield int(status.partition("VmHWM:")[2].split()[0]) / 1024


def worker_folders() -> Iterator[Path]:
    """Yield the folders in /proc of Ray's workers."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                yield folder


def copy(picture: PictureFile) -> Output:
    return Output(picture.read())


def edges_of(model: str) -> PictureWork:
    session = Session(model)
    return PictureWork(lambda image: Drawn(Image.fromarray(quantise(session(image)))))


def jobs_of(folder: Path, output: Path) -> list[Job]:
    return batch.name_outputs(cluster.find([str(folder)], output), Naming(output))


if __name__ == "__main__":
    main()
