"""Pictures on a Ray cluster of this machine: scaling from one to two workers, and memory.

Speed: edges of JPEG pictures of 481x321 pixels, from file to file. Every round runs one machine's
pipeline with one worker, and Ray with one and two worker processes. The start of processes is left
out: time counts from the first result of every worker to the last result. Quote the ratios.

Memory: many small pictures, which are hard links of two files. The peak of the driver process after
each count shows what an input costs; workers are sampled twice a second.

    python benchmarks/bench_ray.py [--pictures N] [--rounds N] [--inputs N ...] [--model M]
"""

import argparse
import logging
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from bench_folder import write_pictures
from featheredge import batch, cluster, timing
from featheredge.batch import Drawn, Job, Naming, PictureWork, Result
from featheredge.cluster.run import UNIT_PICTURES
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
        speed = measure_speed(Path(folder), options.model, options.rounds)
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
    rates: dict[str, list[float]] = {"one machine, 1 worker": [], "Ray, 1": [], "Ray, 2": []}
    loads = []
    for _ in range(rounds):
        for name, values in rates.items():
            with tempfile.TemporaryDirectory() as output:
                jobs = jobs_of(folder / "in", Path(output))
                values.append(rate_of(name, jobs, work, Path(output)))
            loads.append(timing.load_1_min())
    first, one, two = rates.values()
    return {
        "pictures_per_s": {name: round(statistics.median(v), 2) for name, v in rates.items()},
        "best_pictures_per_s": {name: round(max(v), 2) for name, v in rates.items()},
        "ratio_of_2_to_1_worker": ratio(two, one),
        "ratio_of_ray_to_one_machine": ratio(one, first),
        "loads_1_min": loads,
    }


def ratio(above: list[float], below: list[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(above, below, strict=True)), 2)


def rate_of(name: str, jobs: list[Job], work: PictureWork, output: Path) -> float:
    """Return pictures per second without the start."""
    if not name.startswith("Ray"):
        return rate(batch.run(jobs, work, force=True), 1)
    workers = int(name[-1])
    results = cluster.run(jobs, work, output, force=True, workers=workers)
    return rate(results, workers * UNIT_PICTURES)


def rate(results: Iterable[Result], num_first: int) -> float:
    """Return results per second after the first ones."""
    times = []
    for result in results:
        assert result.error is None, result.error
        times.append(time.perf_counter())
    return (len(times) - num_first) / (times[-1] - times[num_first - 1])


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
        for result in cluster.run(jobs, edges_of("mobile-edge-xs"), folder / "out", force=False):
            assert result.error is None, result.error
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
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                status = (folder / "status").read_text()
                yield int(status.partition("VmHWM:")[2].split()[0]) / 1024
        except (OSError, IndexError):  # it has ended
            continue


def edges_of(model: str) -> PictureWork:
    session = Session(model)
    return PictureWork(lambda image: Drawn(Image.fromarray(quantise(session(image)))))


def jobs_of(folder: Path, output: Path) -> list[Job]:
    return batch.name_outputs(cluster.find([str(folder)], output), Naming(output))


if __name__ == "__main__":
    main()
