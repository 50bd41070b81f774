"""Batch processing: choose an output file for every input file, then process the files.

`plan` refuses everything that can be refused before any work starts. After that, an error in one
file does not stop the others, and a file whose output exists is skipped.
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

VERBS = ("edges", "saliency", "cutout", "mask")
"""The suffixes of output names: photo_edges.png is written next to photo.jpg."""

OUTPUT_SUFFIXES = (".png", ".svg")


@dataclass(frozen=True)
class Job:
    """One input file and its output file."""

    source: Path
    output: Path


@dataclass(frozen=True)
class Result:
    """The result of one job.

    Attributes:
        job: The job.
        seconds: Elapsed time.
        error: The error message if the job failed, else None.
        skipped: Whether the job was skipped because its output exists.
    """

    job: Job
    seconds: float
    error: str | None = None
    skipped: bool = False


def plan(
    inputs: Sequence[str],
    output: Path | None = None,
    *,
    verb: str = "edges",
    suffix: str = ".png",
    force: bool = False,
) -> list[Job]:
    """Find the input files and choose an output file for each.

    Args:
        inputs: Files, folders (all images in them and in their sub-folders) and glob patterns (all
            images that match, `**` for any folders). The images of a folder or pattern are sorted.
        output: None writes `STEM_VERB.png` next to each input. A name ending in .png is the output
            of a single input. Any other path is a folder: each input is written to `STEM.png` in
            it, in the same sub-folders as the inputs. Where two inputs differ only in the suffix,
            such as a.jpg and a.png, the suffix stays in the name: `a.jpg_edges.png`.
        verb: One of `VERBS`, used in the names of outputs next to their inputs. Outputs of earlier
            runs that lie next to their inputs in a folder or pattern are not taken as inputs.
        suffix: Suffix of the outputs, one of `OUTPUT_SUFFIXES`, in place of .png.
        force: Whether an existing file named by `output` may be replaced.

    Returns:
        One job for each input file, in order, without duplicates.

    Raises:
        ImageError: A folder or pattern has no images.
        OutputError: Two inputs would share an output, an output is also an input or is not a PNG,
            or the single output file exists.
    """
    found = _found(inputs, output)
    if output is not None and _is_one_file(output, suffix):
        if len(found) > 1:
            raise OutputError(
                f"{output} is one file but there are {len(found)} inputs; give a folder"
            )
        jobs = [Job(each.path, output) for each in found]
        _refuse_shared(jobs)
        if _exists(output) and not force:
            raise OutputError(f"{output} exists; give another name, or add -f to replace it")
        return jobs
    jobs = _name_outputs(found, output, verb, suffix)
    _refuse_shared(jobs)
    return jobs


def run(jobs: Iterable[Job], work: Callable[[Path], bytes], *, force: bool) -> Iterator[Result]:
    """Run jobs one after another; a job that fails does not stop the others.

    Args:
        jobs: The jobs from `plan`.
        work: Reads an input file and returns the content of its output file.
        force: Whether to replace existing outputs. If not, jobs whose outputs exist are skipped.

    Yields:
        The result of each job, when the job ends.
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
    """Return the input files, without duplicates and without outputs of earlier runs."""
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


def _name_outputs(found: list[Found], output: Path | None, verb: str, suffix: str) -> list[Job]:
    """Return jobs with short output names, or long ones where inputs would share a short one."""

    def target(each: Found, name: str) -> Path:
        if output is None:
            return _beside(each.path, name, verb, suffix)
        return output / each.folder / f"{name}{suffix}"

    sources = {os.path.realpath(each.path) for each in found}
    short = [target(each, each.path.stem) for each in found]
    for path in short:
        if os.path.realpath(path) in sources:
            raise OutputError(f"{path} is also an input; write to another folder with -o FOLDER")
    shared = {path for path, count in Counter(short).items() if count > 1}
    return [
        Job(each.path, target(each, each.path.name) if path in shared else path)
        for each, path in zip(found, short, strict=True)
    ]


def _beside(path: Path, name: str, verb: str, suffix: str = ".png") -> Path:
    return path.with_name(f"{name}_{verb}{suffix}")


def write_mask(cutout: Path, mask: bytes, *, force: bool) -> Path:
    """Write the mask of a cut-out next to it: NAME_mask.png for NAME_cutout.png or NAME.png.

    Args:
        cutout: The output of a job of the verb cutout.
        mask: The content of the PNG file.
        force: Whether to replace an existing file.

    Returns:
        The path of the mask.

    Raises:
        OutputError: The mask exists or cannot be written.
    """
    path = _beside(cutout, cutout.stem.removesuffix("_cutout"), "mask")
    if _exists(path) and not force:
        raise OutputError(f"{path} exists; add -f to replace it and the cut-out")
    _write(path, mask)
    return path


def _write(path: Path, data: bytes) -> None:
    try:
        write_bytes(path, data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def _exists(path: Path) -> bool:
    return os.path.lexists(path)  # pathlib raises an error if the name is too long


def _is_one_file(output: Path, suffix: str) -> bool:
    found = output.suffix.lower()
    if os.path.isdir(output) or found not in (*IMAGE_SUFFIXES, ".svg"):  # noqa: PTH112 - as in `_exists`
        return False
    if found != suffix:
        kind = suffix.removeprefix(".").upper()
        raise OutputError(f"{output}: outputs are {kind} files; give a {suffix} name or a folder")
    return True


def _refuse_shared(jobs: list[Job]) -> None:
    sources = {os.path.realpath(job.source) for job in jobs}
    owners: dict[str, Path] = {}
    for job in jobs:
        target = os.path.realpath(job.output)
        if target in sources:
            raise OutputError(
                f"{job.output} is also an input; write to another folder with -o FOLDER"
            )
        if target in owners:
            raise OutputError(
                f"{owners[target]} and {job.source} would both be written to {job.output}; "
                "run them separately, each with its own -o FOLDER"
            )
        owners[target] = job.source
