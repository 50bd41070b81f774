"""One session in many threads, in a forked process, and for many calls."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

import featheredge as fe
from featheredge.session import Session

THREADS = 8
SIZES = [(33, 47), (64, 64), (1, 1), (40, 90), (96, 20), (64, 64)]


def in_threads(call, pictures):
    """Call a function on all pictures in each of 8 threads, which begin together."""
    together = Barrier(THREADS, timeout=60)

    def work(thread: int):
        together.wait()
        order = np.roll(np.arange(len(pictures)), thread)
        return {index: call(pictures[index]) for index in order}

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


@pytest.mark.parametrize("name", ["mobile-edge-xs", "feather-saliency-s"])
@pytest.mark.parametrize("threads", [1, 2])
def test_eight_threads_on_one_session_give_the_maps_of_one(noise, name, threads):
    pictures = [noise(*size, seed) for seed, size in enumerate(SIZES)]
    session = Session(name, threads=threads)
    expected = [session(picture) for picture in pictures]
    for maps in in_threads(session, pictures):
        assert all(np.array_equal(maps[i], expected[i]) for i in range(len(pictures)))


def test_eight_threads_of_calls_share_the_kept_sessions(noise, toy_onnx, toy_saliency_onnx):
    pictures = [noise(*size, seed) for seed, size in enumerate(SIZES)]

    def call(picture):
        return (
            fe.thin(fe.edges(picture, model=toy_onnx)),
            fe.cutout(picture, model=toy_saliency_onnx, threshold=0.2),
        )

    expected = [call(picture) for picture in pictures]
    for results in in_threads(call, pictures):
        for i, (thin, cut) in enumerate(expected):
            assert np.array_equal(results[i][0], thin)
            assert np.array_equal(results[i][1], cut)


def send_map(session, picture, end):
    end.send_bytes(session(picture).tobytes())


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_process_can_use_the_session(noise, threads):
    picture = noise(120, 160)
    session = Session("mobile-edge-xs", threads=threads)
    expected = session(picture).tobytes()
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        ours, theirs = context.Pipe()
        child = context.Process(target=send_map, args=(session, picture, theirs))
        child.start()
        assert ours.poll(60), "the forked process hangs"
        assert ours.recv_bytes() == expected
        child.join(60)
        assert child.exitcode == 0
    assert session(picture).tobytes() == expected


MANY_CALLS = """
import sys
from pathlib import Path
import numpy as np
import featheredge as fe
edges, saliency = sys.argv[1:3]
picture = np.full((40, 56, 3), 40, np.uint8)
picture[8:32, 16:40] = (230, 60, 40)  # something to cut out
def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
for call in range(10_000):
    if call == 1000:
        before = megabytes()
    fe.thin(fe.edges(picture, model=edges))
    fe.cutout(picture, model=saliency, threshold=0.2)
print(megabytes() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shipped", [False, True])
def test_memory_does_not_grow_in_10_000_calls(toy_onnx, toy_saliency_onnx, shipped):
    """A leak of 1 kB in each call would be 9 MB."""
    models = ("mobile-edge-xs", "feather-saliency-s") if shipped else (toy_onnx, toy_saliency_onnx)
    command = [sys.executable, "-c", MANY_CALLS, *map(str, models)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 4
