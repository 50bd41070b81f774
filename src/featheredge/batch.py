"""Many files: what the inputs are, where each output goes, and working through them.

Everything that can be refused before any work starts is refused in `plan`; after that a bad file
costs only itself.
"""

import glob
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from featheredge.errors import FeatheredgeError, ImageError, OutputError
from featheredge.files import write_bytes
from featheredge.image import IMAGE_SUFFIXES

VERBS = ("edges", "saliency", "cutout")
"""What results beside their inputs are named after: photo_edges.png beside photo.jpg."""


@dataclass(frozen=True)
class Job:
    """One input and the file that its result goes to."""

    source: Path
    output: Path


@dataclass(frozen=True)
class Result:
    """What became of one job: `error` is None where its output was written."""

    job: Job
    seconds: float
    error: str | None = None


def plan(inputs: Sequence[str], output: Path | None = None, *, verb: str = "edges") -> list[Job]:
    """Decide which files are read and where their results go.

    Args:
        inputs: Files, folders (the images directly inside) and glob patterns (the images they
            match, `**` for any folders); what is found is sorted.
        output: None for `<stem>_<verb>.png` beside each input; a name ending in .png for a single
            input; anything else is a folder, which gets `<stem>.png` for each.
        verb: Which of `VERBS` names the files beside the inputs. When a folder or pattern holds
            results of earlier runs beside their inputs, these are not taken as inputs.

    Returns:
        One job for each input file, in order, without duplicates.

    Raises:
        ImageError: A folder or pattern has no images.
        OutputError: Two inputs would share an output, an output is an input, or not a PNG.
    """
    paths = list(dict.fromkeys(path for text in inputs for path in _expand(text)))
    earlier_results = {_beside(path, verb) for path in paths for verb in VERBS}
    earlier_results -= set(map(Path, inputs))
    paths = [path for path in paths if path not in earlier_results]
    if output is None:
        jobs = [Job(path, _beside(path, verb)) for path in paths]
    elif _is_one_file(output):
        if len(paths) > 1:
            raise OutputError(f"{output} is one file for {len(paths)} inputs; give a folder")
        jobs = [Job(path, output) for path in paths]
    else:
        jobs = [Job(path, output / f"{path.stem}.png") for path in paths]
    _refuse_collisions(jobs)
    return jobs


def run(jobs: Iterable[Job], work: Callable[[Path], bytes], *, force: bool) -> Iterator[Result]:
    """Work through jobs, one result each; a job that fails does not stop the others.

    Args:
        jobs: What `plan` returned.
        work: Reads a source and returns the file that becomes its output.
        force: Replace outputs that exist; otherwise such a job fails without being worked on.

    Yields:
        The result of each job, as soon as it is there.
    """
    for job in jobs:
        started = time.perf_counter()
        error = None
        try:
            if job.output.exists() and not force:
                raise OutputError(f"{job.source}: {job.output} exists; -f replaces it")
            _write(job.output, work(job.source))
        except FeatheredgeError as failure:
            error = str(failure)
        yield Result(job, time.perf_counter() - started, error)


def _write(path: Path, data: bytes) -> None:
    try:
        write_bytes(path, data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _beside(path: Path, verb: str) -> Path:
    return path.with_name(f"{path.stem}_{verb}.png")


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        kind, candidates = "the folder holds", list(path.iterdir())
    elif path.exists() or not glob.has_magic(text):
        return [path]  # a missing file is reported when its turn comes
    else:
        # Path.glob takes no absolute patterns before Python 3.13
        kind = "the pattern matches"
        candidates = [Path(name) for name in glob.glob(text, recursive=True)]  # noqa: PTH207
    images = [file for file in candidates if file.suffix.lower() in IMAGE_SUFFIXES]
    images = sorted(file for file in images if file.is_file())
    if not images:
        raise ImageError(f"{text}: {kind} no images ({' '.join(sorted(IMAGE_SUFFIXES))})")
    return images


def _is_one_file(output: Path) -> bool:
    suffix = output.suffix.lower()
    if output.is_dir() or suffix not in IMAGE_SUFFIXES:
        return False
    if suffix != ".png":
        raise OutputError(f"{output}: results are written as PNG; give a .png name or a folder")
    return True


def _refuse_collisions(jobs: list[Job]) -> None:
    sources = {job.source.resolve() for job in jobs}
    owners: dict[Path, Path] = {}
    for job in jobs:
        target = job.output.resolve()
        if target in sources:
            raise OutputError(f"{job.output} is an input; write the results to another folder")
        if target in owners:
            raise OutputError(
                f"{owners[target]} and {job.source} would both be written to {job.output}; "
                "run them separately with different -o"
            )
        owners[target] = job.source
