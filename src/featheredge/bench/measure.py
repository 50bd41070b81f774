"""Measure subjects interleaved in one run: alone, from file to file, and their memory.

Shapes: `H W` pixels.
"""

import io
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from featheredge.bench.machine import Peak, peak, peak_cases
from featheredge.bench.networks import open_model, open_zoo
from featheredge.bench.peers import CANNY, REMBG, open_canny, open_onnx, open_rembg
from featheredge.bench.result import Row
from featheredge.bench.subject import Form, Picture, Subject
from featheredge.catalog import find, list_models, weights_path
from featheredge.image import load
from featheredge.photos import PHOTOS
from featheredge.resize import resize
from featheredge.timing import Timing, clock_for, paired_ratio, summarise, time_rounds
from featheredge.weights_file import is_path

#: Rounds that choose the fastest form of a network.
_TRIAL_ROUNDS = 2
_JPEG_QUALITY = 90


def open_subject(spec: str, folder: Path, threads: int) -> Subject:
    """Open what a name on the command line stands for.

    Args:
        spec: A name from `featheredge models`; an exported .onnx file; a network of the zoo, with
            random weights or as NAME:FILE.safetensors; onnx:FILE with FILE.toml beside it;
            "opencv-canny"; or "rembg".
        folder: Where networks of the zoo are exported to.
        threads: Threads for inference.

    Raises:
        UnknownModelError: Nothing has this name.
        ArgumentError: The program is not installed.
        WeightsError: A file is missing or damaged.
    """
    if spec == CANNY:
        return open_canny(threads)
    if spec == REMBG:
        return open_rembg(threads)
    if spec.startswith("onnx:"):
        return open_onnx(spec, threads)
    if is_path(spec):
        return open_model(spec, Path(spec), threads)
    if spec in (entry.name for entry in list_models()):
        return open_model(spec, weights_path(find(spec)), threads)
    return open_zoo(spec, folder, threads)


def measure(
    subjects: Sequence[Subject],
    baseline: str,
    size: tuple[int, int],
    *,
    threads: int,
    rounds: int,
    with_memory: bool = True,
) -> tuple[list[Row], Peak]:
    """Time all subjects and the machine's peak in the same rounds.

    Args:
        subjects: What to time. Their names differ.
        baseline: Name of the one that the others are compared with.
        size: Height and width of the picture.
        threads: Threads of all subjects; one thread is timed by processor time.
        rounds: Number of rounds, after one warm-up round.
        with_memory: Whether to run each subject once more in a fresh process.

    Returns:
        A row for each subject, and the peak.
    """
    picture = resize(load(PHOTOS[0]), *size)
    photo = _jpeg(picture)
    clock = clock_for(threads).read
    cases: dict[str, Form] = {}
    forms: dict[str, str] = {}
    for subject in subjects:
        if chosen := _fastest(subject, picture, clock):
            forms[subject.name], cases[f"network {subject.name}"] = chosen
        if (end_to_end := subject.end_to_end) is not None:
            cases[f"path {subject.name}"] = partial(end_to_end, photo)
    times = time_rounds({**cases, **peak_cases(threads)}, rounds, clock)
    rows = [
        Row(
            name=subject.name,
            form=forms.get(subject.name),
            size=size,
            network=_summary(times, f"network {subject.name}"),
            times_faster=_times_faster(times, "network", subject.name, baseline),
            path=_summary(times, f"path {subject.name}"),
            path_times_faster=_times_faster(times, "path", subject.name, baseline),
            cost=subject.cost(*size),
            peak_bytes=_fresh_peak(subject, photo) if with_memory else None,
        )
        for subject in subjects
    ]
    return rows, peak(times)


def _fastest(
    subject: Subject, picture: Picture, clock: Callable[[], float]
) -> tuple[str, Form] | None:
    """Return the form with the least time in a few rounds; None if there is none."""
    forms = subject.prepare(picture)
    if len(forms) <= 1:
        return next(iter(forms.items()), None)
    times = time_rounds(forms, _TRIAL_ROUNDS, clock)
    name = min(forms, key=lambda form: min(times[form]))
    return name, forms[name]


def _summary(times: dict[str, list[float]], case: str) -> Timing | None:
    return summarise(times[case]) if case in times else None


def _times_faster(
    times: dict[str, list[float]], kind: str, name: str, baseline: str
) -> float | None:
    ours, theirs = times.get(f"{kind} {name}"), times.get(f"{kind} {baseline}")
    return None if ours is None or theirs is None else paired_ratio(theirs, ours)


def _jpeg(picture: Picture) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _fresh_peak(subject: Subject, photo: bytes) -> int | None:
    """Run a subject once in a fresh process; return its peak memory, or None if that fails."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "photo.jpg"
        file.write_bytes(photo)
        command = [sys.executable, "-m", "featheredge.bench.fresh", str(file), *subject.fresh]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        warnings.warn(f"{subject.name}: no peak memory, the process failed: {reason}", stacklevel=2)
        return None
    return int(done.stdout.split()[-1])
