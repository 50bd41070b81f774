"""The same input gives the same bytes: pictures across processes, workers, batches and threads."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from featheredge import catalog
from featheredge.image import load
from featheredge.resize import resize
from featheredge.session import Session

PHOTOS = Path(__file__).parents[1] / "examples"
IDS = [entry.name for entry in catalog.ENTRIES]


@pytest.fixture(scope="module")
def photos():
    """Parts of both example photos, (96, 144, 3) uint8, which differ in every pixel."""
    coffee, cat = (load(PHOTOS / name) for name in ("coffee.jpg", "cat.jpg"))
    return [
        photo[y : y + 96, x : x + 144] for photo in (coffee, cat) for y, x in ((0, 0), (99, 99))
    ]


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", IDS)
def test_batches_and_threads_change_no_bit(photos, name):
    session = Session(name)
    alone = [session(photo) for photo in photos]
    for maps in (
        session.batch(photos, size=3),
        reversed(list(session.batch(photos[::-1], size=4))),
        map(Session(name, threads=2), photos),
    ):
        assert all(map(np.array_equal, maps, alone))


@pytest.mark.parametrize("name", ["mobile-edge-xs", "feather-saliency-s"])
def test_tiles_and_smaller_copies_are_repeatable(photos, name):
    photo = resize(photos[0], 300, 400)
    first, second = (Session(name, tile_px=128, overlap_px=64)(photo) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["edges", "saliency", "cutout"])
def test_processes_and_workers_change_no_byte(tmp_path, verb):
    """Also not the order in which Python hashes strings, nor the order of the files."""
    digests = []
    for seed, workers in (("0", "1"), ("1", "1"), ("2", "3")):
        output = tmp_path / f"{seed}-{workers}"
        command = [sys.executable, "-m", "featheredge", verb, *sorted(PHOTOS.glob("*.jpg"))]
        command += ["-o", output, "--workers", workers]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        digests.append(digest(output))
    assert len(digests[0]) == len(list(PHOTOS.glob("*.jpg")))
    assert digests[0] == digests[1] == digests[2]
