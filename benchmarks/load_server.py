"""Load test of the server: 200 clients for 60 s, then 10,000 requests while its memory is read.

    python benchmarks/load_server.py
    python benchmarks/load_server.py --rembg .venv-rembg/bin/rembg --u2net-home DIR

With --rembg, `rembg s` with u2netp gets the same pictures from as many clients in the same run,
after the server of featheredge has ended. DIR holds u2netp.onnx. The script writes
benchmarks/results/load-server.json, and exits with 1 if there is an answer other than 200 and
429, or if the memory of the server grows by more than --max-growth-mb.

Clients, server and everything else share the cores of this machine.
"""

import argparse
import asyncio
import io
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from PIL import Image

from interleaved import write_result
from load_clients import Answers, Request, form_request, load

PHOTO = Path(__file__).parents[1] / "examples/cat.jpg"
START_S = 600
MEMORY_CLIENTS = 8
SAMPLES = 20

#: Pictures of the memory test: sizes and endpoints change from request to request.
SIZES = ((240, 320), (321, 481), (128, 96), (480, 360), (64, 64), (200, 555), (333, 222))
ENDPOINTS = ("/v1/edges", "/v1/cutout?threshold=0.01", "/v1/edges?thin=1", "/v1/saliency?refine=1")


def main() -> int:
    options = parse()
    photo = shrunk(PHOTO, options.side_px)
    measured: dict[str, Any] = {
        "clients": options.clients,
        "seconds": options.seconds,
        "picture": f"cat.jpg, longer side {options.side_px} px, {len(photo)} bytes",
        "workers": options.workers,
    }
    with featheredge(options.workers) as (process, port):
        request = Request("/v1/cutout", photo, "image/jpeg")
        measured["featheredge"] = under_load(process, port, request, options)
        growth, samples = memory(process, port, options.requests)
        measured["memory"] = {
            "requests": options.requests,
            "rss_mb": samples,
            "growth_mb": growth,
        }
    if options.rembg:
        with rembg(options) as (process, port):
            request = form_request("/api/remove", photo, "file", model="u2netp")
            measured["rembg u2netp"] = under_load(process, port, request, options)
    write_result("load-server", measured)
    wrong = set(measured["featheredge"]["answers"]) - {"200", "429"}
    return int(bool(wrong) or growth > options.max_growth_mb)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--side-px", type=int, default=640)
    parser.add_argument("--max-growth-mb", type=float, default=20)
    parser.add_argument("--rembg", type=Path, help="the program rembg of an environment")
    parser.add_argument("--u2net-home", type=Path, help="a folder with u2netp.onnx")
    return parser.parse_args()


def shrunk(path: Path, side_px: int) -> bytes:
    """Return a photo as JPEG, resized so that it has this longer side."""
    image = Image.open(path)
    image.thumbnail((side_px, side_px))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def under_load(
    process: subprocess.Popen[bytes], port: int, request: Request, options: argparse.Namespace
) -> dict[str, Any]:
    """Return what many clients measure, after one request that warms the server up."""
    asyncio.run(load(port, [request], 1, limit=2))
    started, before, cpu = time.perf_counter(), rss_mb(process), cpu_s(process)
    answers = asyncio.run(load(port, [request], options.clients, until=started + options.seconds))
    seconds = time.perf_counter() - started
    return {
        "answers": {str(status): num for status, num in sorted(answers.statuses.items())},
        "pictures_per_s": round(answers.statuses[200] / seconds, 2),
        "cpu_s_per_picture": round((cpu_s(process) - cpu) / max(answers.statuses[200], 1), 3),
        **percentiles(answers),
        "rss_mb_before": before,
        "rss_mb_after": rss_mb(process),
        "rss_mb_peak": status_mb(process, "VmHWM"),
    }


def percentiles(answers: Answers) -> dict[str, list[float]]:
    """Return the 50th, 95th and 99th percentile of both times, in seconds."""
    series = {
        "answer_s_p50_p95_p99": answers.seconds,
        "picture_s_p50_p95_p99": answers.picture_seconds,
    }
    return {
        name: [round(float(value), 3) for value in np.percentile(times, (50, 95, 99))]
        for name, times in series.items()
        if times
    }


def memory(
    process: subprocess.Popen[bytes], port: int, num_requests: int
) -> tuple[float, list[float]]:
    """Return the growth of the server's memory, and its memory between parts of the requests.

    Growth is the median of the last fifth of the samples minus that of the second fifth; in the
    first fifth, the server warms up.
    """
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]
    bodies = [encode(picture) for picture in pictures]
    requests = [Request(endpoint, body, "image/png") for body in bodies for endpoint in ENDPOINTS]
    samples = []
    for _ in range(SAMPLES):
        answers = asyncio.run(load(port, requests, MEMORY_CLIENTS, limit=num_requests // SAMPLES))
        if set(answers.statuses) - {200, 422}:  # noise has no object to cut out
            raise SystemExit(f"the memory test got answers {dict(answers.statuses)}")
        samples.append(rss_mb(process))
        print(f"memory: {samples[-1]} MB", file=sys.stderr, flush=True)
    fifth = SAMPLES // 5
    growth = statistics.median(samples[-fifth:]) - statistics.median(samples[fifth : 2 * fifth])
    return round(growth, 1), samples


def encode(pixels: np.ndarray) -> bytes:
    """Return the file of a picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@contextmanager
def featheredge(workers: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run the server of this tree; yield its process and its port."""
    command = [sys.executable, "-m", "featheredge", "serve", "--port", "0"]
    with running([*command, "--workers", str(workers)], {}) as (process, log):
        yield process, wait_for(process, log, r"127\.0\.0\.1:(\d+)/")


@contextmanager
def rembg(options: argparse.Namespace) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `rembg s`; yield its process and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [options.rembg, "s", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    environment = {"U2NET_HOME": str(options.u2net_home.resolve()), "BROWSER": "true"}
    with running(command, environment) as (process, log):
        wait_for(process, log, r"Application startup (complete)")
        yield process, port


@contextmanager
def running(
    command: list[Any], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Run a program with one thread for each network; stop it at the end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    with TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield process, log
        finally:
            process.terminate()
            process.wait(60)


def wait_for(process: subprocess.Popen[bytes], log: Any, pattern: str) -> Any:
    """Wait for a line of the log; return its first group, as a number if it is one."""
    for _ in range(START_S * 10):
        log.seek(0)
        text = log.read().decode("utf-8", "replace")
        if found := re.search(pattern, text):
            return int(found[1]) if found[1].isdecimal() else found[1]
        if process.poll() is not None:
            raise SystemExit(f"the server ended:\n{text}")
        time.sleep(0.1)
    raise SystemExit(f"the server did not start within {START_S} s:\n{text}")


def rss_mb(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory of a process."""
    return status_mb(process, "VmRSS")


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """Return the CPU time of a process, with all its threads (Linux)."""
    text = Path(f"/proc/{process.pid}/stat").read_text("ascii")
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def status_mb(process: subprocess.Popen[bytes], field: str) -> float:
    """Return a memory field of a process, in MB (Linux)."""
    text = Path(f"/proc/{process.pid}/status").read_text("ascii")
    found = re.search(rf"{field}:\s+(\d+) kB", text)
    assert found, text
    return round(int(found[1]) * 1024 / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
