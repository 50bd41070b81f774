"""Many files: where each output goes, and working through them.

Everything that can be refused before any work starts is refused in `plan`; after that a bad file
costs only itself, and a file whose output exists is skipped.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from featheredge.errors import FeatheredgeError, OutputError
from featheredge.files import write_bytes
from featheredge.image import IMAGE_SUFFIXES
from featheredge.inputs import Found, expand

VERBS = ("edges", "saliency", "cutout")
"""What results beside their inputs are named after: photo_edges.png beside photo.jpg."""


@dataclass(frozen=True)
class Job:
    """One input and the file that its result goes to."""

    source: Path
    output: Path


@dataclass(frozen=True)
class Result:
    """What became of one job.

    Attributes:
        job: The job.
        seconds: How long it took.
        error: Why it failed; None where it did not.
        skipped: Whether its output existed, so that nothing was done.
    """

    job: Job
    seconds: float
    error: str | None = None
    skipped: bool = False


def plan(
    inputs: Sequence[str], output: Path | None = None, *, verb: str = "edges", force: bool = False
) -> list[Job]:
    """Decide which files are read and where their results go.

    Args:
        inputs: Files, folders (the images in them and in their sub-folders) and glob patterns (the
            images they match, `**` for any folders); what is found is sorted.
        output: None for `STEM_VERB.png` beside each input; a name ending in .png for a single
            input; anything else is a folder, which gets `STEM.png` for each, in the sub-folders
            that the inputs are in. Of inputs that differ only in their suffixes, such as a.jpg and
            a.png, the suffix stays in the name: `a.jpg_edges.png`.
        verb: Which of `VERBS` names the files beside the inputs. When a folder or pattern holds
            results of earlier runs beside their inputs, these are not taken as inputs.
        force: Whether an output that was named may be replaced.

    Returns:
        One job for each input file, in order, without duplicates.

    Raises:
        ImageError: A folder or pattern has no images.
        OutputError: Two inputs would share an output, an output is an input, or not a PNG; or the
            one file named as output exists.
    """
    found = _found(inputs, output)
    if output is not None and _is_one_file(output):
        if len(found) > 1:
            raise OutputError(f"{output} is one file for {len(found)} inputs; give a folder")
        jobs = [Job(each.path, output) for each in found]
        _refuse_shared(jobs)
        if _exists(output) and not force:
            raise OutputError(f"{output} exists; give another name, or -f to replace it")
        return jobs
    jobs = _name_outputs(found, output, verb)
    _refuse_shared(jobs)
    return jobs


def run(jobs: Iterable[Job], work: Callable[[Path], bytes], *, force: bool) -> Iterator[Result]:
    """Work through jobs, one result each; a job that fails does not stop the others.

    Args:
        jobs: What `plan` returned.
        work: Reads a source and returns the file that becomes its output.
        force: Replace outputs that exist; otherwise such jobs are skipped.

    Yields:
        The result of each job, as soon as it is done.
    """
    for job in jobs:
        started = time.perf_counter()
        if _exists(job.output) and not force:
            yield Result(job, 0.0, skipped=True)
            continue
        error = None
        try:
            _write(job.output, work(job.source))
        except FeatheredgeError as failure:
            error = str(failure)
        yield Result(job, time.perf_counter() - started, error)


def _found(inputs: Sequence[str], output: Path | None) -> list[Found]:
    """The input files, without duplicates and without results of earlier runs."""
    by_path: dict[Path, Found] = {}
    for text in inputs:
        for each in expand(text, skip=output):
            by_path.setdefault(each.path, each)
    results = {
        _beside(path, name, verb)
        for path in by_path
        for name in (path.stem, path.name)
        for verb in VERBS
    }
    results -= set(map(Path, inputs))
    return [each for path, each in by_path.items() if path not in results]


def _name_outputs(found: list[Found], output: Path | None, verb: str) -> list[Job]:
    """Jobs with the short names, or with the long ones for inputs that would share a short one."""

    def target(each: Found, name: str) -> Path:
        if output is None:
            return _beside(each.path, name, verb)
        return output / each.folder / f"{name}.png"

    sources = {os.path.realpath(each.path) for each in found}
    short = [target(each, each.path.stem) for each in found]
    for path in short:
        if os.path.realpath(path) in sources:
            raise OutputError(f"{path} is an input; write the results to another folder with -o")
    shared = {path for path, count in Counter(short).items() if count > 1}
    return [
        Job(each.path, target(each, each.path.name) if path in shared else path)
        for each, path in zip(found, short, strict=True)
    ]


def _beside(path: Path, name: str, verb: str) -> Path:
    return path.with_name(f"{name}_{verb}.png")


def _write(path: Path, data: bytes) -> None:
    try:
        write_bytes(path, data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _exists(path: Path) -> bool:
    return os.path.lexists(path)  # pathlib's raises for names that are too long


def _is_one_file(output: Path) -> bool:
    suffix = output.suffix.lower()
    if os.path.isdir(output) or suffix not in IMAGE_SUFFIXES:  # noqa: PTH112 - as in `_exists`
        return False
    if suffix != ".png":
        raise OutputError(f"{output}: results are written as PNG; give a .png name or a folder")
    return True


def _refuse_shared(jobs: list[Job]) -> None:
    sources = {os.path.realpath(job.source) for job in jobs}
    owners: dict[str, Path] = {}
    for job in jobs:
        target = os.path.realpath(job.output)
        if target in sources:
            raise OutputError(f"{job.output} is an input; write the results to another folder")
        if target in owners:
            raise OutputError(
                f"{owners[target]} and {job.source} would both be written to {job.output}; "
                "run them separately with different -o"
            )
        owners[target] = job.source
