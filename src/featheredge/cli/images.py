"""Processing of image inputs, the same for all verbs: options, files, pipes and watched folders."""

import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Group, Parameter, Token
from cyclopts.validators import Number

from featheredge.address import Address, place
from featheredge.cli.results import Verbosity, print_results
from featheredge.errors import ArgumentError

if TYPE_CHECKING:
    from featheredge.address import Place
    from featheredge.batch import Drawn, Naming, PictureWork, Result, Watcher
    from featheredge.catalog import Task
    from featheredge.image import ImageSource
    from featheredge.inputs import PictureFile, Source
    from featheredge.output_format import OutputFormat
    from featheredge.session import Session

    Draw: TypeAlias = Callable[[Session, ImageSource], Drawn]
    """Computes the output of one picture: of a file, or of one frame of an animation."""

_OUTPUT = Group("Output", sort_key=1)
_FOLDERS = Group("Folders", sort_key=2)
_MESSAGES = Group("Messages", sort_key=3)


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How output files are written.

    Attributes:
        format: Format of the outputs. Default: the end of the name given with -o, else png.
        quality: Quality from 1 to 100. Default: 92 for jpg, 80 for avif, lossless for webp.
        png_level: Compression of PNG from 0 to 9: higher is smaller and slower.
        suffix: What follows the stem of each name. Default: _VERB next to inputs, nothing in a
            folder.
        keep_metadata: Carry EXIF, and the colour profile of cut-outs, to the outputs. EXIF can
            hold the place where a photo was taken.
        frames: Process all frames of an animated GIF, WebP, PNG or AVIF to an animation, or only
            the first to a picture.
        force: Replace outputs that exist (-f), or skip their inputs, so that the same command
            resumes a batch (--resume, the default).
    """

    format: Annotated[Literal["png", "webp", "jpg", "avif"] | None, Parameter(group=_OUTPUT)] = None
    quality: Annotated[int | None, Parameter(group=_OUTPUT, validator=Number(gte=1, lte=100))] = (
        None
    )
    png_level: Annotated[int | None, Parameter(group=_OUTPUT, validator=Number(gte=0, lte=9))] = (
        None
    )
    suffix: Annotated[str | None, Parameter(group=_OUTPUT, allow_leading_hyphen=True)] = None
    keep_metadata: Annotated[bool, Parameter(group=_OUTPUT, negative="")] = False
    frames: Annotated[Literal["all", "first"], Parameter(group=_OUTPUT)] = "all"
    force: Annotated[bool, Parameter(group=_OUTPUT, alias="-f", negative="--resume")] = False

    def chosen_format(self, output: "Place | None", is_svg: bool) -> "OutputFormat":
        """Return the format of the outputs that are pictures of pixels.

        Args:
            output: The file or folder given with -o.
            is_svg: Whether the outputs are vector drawings instead.

        Raises:
            ArgumentError: The options contradict each other.
        """
        from featheredge.batch import is_file_name
        from featheredge.output_format import OutputFormat, format_of

        if is_svg and (self.format or self.quality or self.png_level is not None):
            raise ArgumentError("svg has no --format, --quality or --png-level; leave them out")
        if is_svg:
            return OutputFormat()
        named = format_of(output) if output and is_file_name(output) else None
        if named and self.format and named != self.format:
            raise ArgumentError(
                f"{output} is a {named} file, but --format is {self.format}; leave one of them out"
            )
        return OutputFormat(self.format or named or "png", self.quality, self.png_level)


@Parameter(name="*")
@dataclass(frozen=True)
class Folders:
    """How many pictures are processed.

    Attributes:
        workers: Pictures that are processed at the same time. Default: the number of cores,
            divided by --threads. Each one needs memory of its own.
        watch: Wait for new files in the folders and process each when it is complete; Ctrl-C ends
            it.
        engine: Process pictures on this machine, or on a Ray cluster (ray): on that of
            RAY_ADDRESS or, if there is none, on this machine in several processes. Inputs and -o
            can then be addresses (s3://..., gs://...), inputs also tar and Parquet files, and the
            output folder gets a manifest.
        allow_urls: Download inputs that begin with http:// or https://, at most 50 MB in 30 s
            with 3 redirects.
        allow_private_urls: Like --allow-urls, from loopback and private addresses too.
        isolate: Decode each picture in another process with limits on memory and time, for files
            from strangers. A picture that crashes the decoder then counts as failed.
    """

    workers: Annotated[int | None, Parameter(group=_FOLDERS, validator=Number(gte=1))] = None
    watch: Annotated[bool, Parameter(group=_FOLDERS, negative="")] = False
    engine: Annotated[Literal["local", "ray"], Parameter(group=_FOLDERS)] = "local"
    allow_urls: Annotated[bool, Parameter(group=_FOLDERS, negative="")] = False
    allow_private_urls: Annotated[bool, Parameter(group=_FOLDERS, negative="")] = False
    isolate: Annotated[bool, Parameter(group=_FOLDERS, negative="")] = False

    def num_workers(self, threads: int) -> int:
        """Return the number of pictures that are processed at the same time."""
        from featheredge.timing import num_cores

        return self.workers or max(num_cores() // threads, 1)


def _place(_: type, tokens: Sequence[Token]) -> "Place":
    return place(tokens[0].value)


def _at_least_one(_: type, threads: str | int) -> None:
    if threads != "auto":
        Number(gte=1)(int, threads)


@Parameter(name="*")
@dataclass(frozen=True)
class Run:
    """The options of all verbs that run a network.

    Attributes:
        output: A folder, or a file for a single input (.png, .webp, .jpg, .avif). Default:
            NAME_VERB.png next to each input, as in photo_edges.png (standard output for -).
        model: A name from `featheredge models` or the path of an .onnx file. Default: the default
            model of the task.
        threads: Threads for inference of one picture, or auto for the idle cores.
        provider: cpu, cuda, openvino, ... There is no fallback to another provider.
        precision: Type of the arithmetic. bf16 needs --provider openvino.
        max_megapixels: Refuse larger images.
        files: How output files are written.
        folders: How many pictures are processed.
        preview: Show each output in the terminal, if it can draw pictures (kitty, iTerm2, sixel);
            elsewhere, print a link to the file.
        as_json: Print one JSON object instead of lines, with the speed of each stage.
        verbose: Print a line for each of several pictures.
        quiet: Print errors only, and show no progress bar.
    """

    output: Annotated[
        Path | Address | None, Parameter(alias="-o", converter=_place, n_tokens=1)
    ] = None
    model: Annotated[str | None, Parameter(alias="-m")] = None
    threads: Annotated[Literal["auto"] | int, Parameter(validator=_at_least_one)] = 1
    provider: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    max_megapixels: Annotated[float, Parameter(validator=Number(gt=0))] = 100.0
    files: Output = Output()
    folders: Folders = Folders()
    preview: Annotated[bool, Parameter(group=_MESSAGES, negative="")] = False
    as_json: Annotated[bool, Parameter(name="--json", group=_MESSAGES, negative="")] = False
    verbose: Annotated[bool, Parameter(alias="-v", group=_MESSAGES, negative="")] = False
    quiet: Annotated[bool, Parameter(alias="-q", group=_MESSAGES, negative="")] = False

    @property
    def verbosity(self) -> Verbosity:
        """Which messages are printed.

        Raises:
            ArgumentError: The options contradict each other.
        """
        if self.preview and self.as_json:
            raise ArgumentError("--preview and --json both write to standard output; give one")
        if self.verbose + self.quiet + self.as_json > 1:
            raise ArgumentError("--verbose, --quiet and --json exclude each other; give one")
        if self.as_json:
            return "json"
        return "verbose" if self.verbose else "quiet" if self.quiet else "normal"


DEFAULTS = Run()


def process(
    verb: str,
    task: "Task",
    inputs: list[str],
    run: Run,
    draw: "Draw",
    *,
    transparent: bool = False,
    is_svg: bool = False,
) -> int:
    """Process all inputs and return the exit code.

    Args:
        verb: The verb, for the names of outputs.
        task: The task of the network.
        inputs: Files, folders, patterns, URLs, or "-" alone.
        run: The options.
        draw: Computes the output of one picture.
        transparent: Whether the outputs have transparent pixels.
        is_svg: Whether the outputs are SVG files.
    """
    from featheredge import batch
    from featheredge.cpu_threads import resolve_threads

    verbosity = run.verbosity
    format = run.files.chosen_format(run.output, is_svg)
    if transparent:
        format.require_transparency()
    if "-" in inputs:
        _refuse_with_pipe(verb, inputs, run)
        return _pipe(_open_work(task, run, draw, format)[1], run)
    extension = batch.SVG if is_svg else format.extension
    naming = batch.Naming(run.output, verb, run.files.suffix, extension)
    if run.folders.engine == "ray":
        return _process_on_ray(verb, task, inputs, run, draw, format, naming)
    _refuse_addresses(inputs, run.output)
    where = f"to {run.output}" if run.output else "next to their inputs"
    if run.folders.watch:
        watcher = batch.Watcher(inputs, naming)
        model, work = _open_work(task, run, draw, format)
        workers = run.folders.num_workers(resolve_threads(run.threads))
        with batch.claimed(naming), _reader(run) as read:
            results = _watch(watcher, work, run, workers, read)
            return print_results(
                results, model, verb, verbosity, workers, where, preview=run.preview
            )
    jobs = batch.plan(
        inputs,
        naming,
        force=run.files.force,
        allow_urls=run.folders.allow_urls or run.folders.allow_private_urls,
    )
    model, work = _open_work(task, run, draw, format)
    workers = min(run.folders.num_workers(resolve_threads(run.threads)), len(jobs))
    with batch.claimed(naming), _reader(run) as read:
        results = batch.run(jobs, work, force=run.files.force, workers=workers, read=read)
        return print_results(
            results, model, verb, verbosity, workers, where, len(jobs), preview=run.preview
        )


def _process_on_ray(
    verb: str,
    task: "Task",
    inputs: list[str],
    run: Run,
    draw: "Draw",
    format: "OutputFormat",
    naming: "Naming",
) -> int:
    """Process all inputs on a Ray cluster and return the exit code."""
    from featheredge import batch, cluster
    from featheredge.cpu_threads import resolve_threads
    from featheredge.extras import require

    if run.folders.watch or run.preview or run.folders.isolate:
        raise ArgumentError("--engine ray has no --watch, --preview and --isolate; leave them out")
    if run.output is None or naming.one_file:
        raise ArgumentError("--engine ray needs a folder for outputs and manifest: add -o FOLDER")
    require("ray", "--engine ray")
    output = run.output if isinstance(run.output, Address) else run.output.absolute()
    allow_urls = run.folders.allow_urls or run.folders.allow_private_urls
    found = cluster.find(inputs, output, allow_urls=allow_urls)
    jobs = batch.name_outputs(found, replace(naming, output=output))
    model, work = _open_work(task, run, draw, format)
    threads = resolve_threads(run.threads)
    where = f"to {run.output}, listed in manifest.parquet there,"
    with batch.claimed(naming), cluster.connected():
        workers = run.folders.workers or cluster.num_workers(threads)
        results = cluster.run(
            jobs,
            work,
            output,
            force=run.files.force,
            workers=workers,
            threads=threads,
            allow_private=run.folders.allow_private_urls,
        )
        return print_results(results, model, verb, run.verbosity, workers, where, len(jobs))


def _refuse_addresses(inputs: list[str], output: "Place | None") -> None:
    for text in [*inputs, str(output)]:
        if isinstance(place(text), Address):
            raise ArgumentError(
                f"{text} is not on this machine; add --engine ray, which reads and writes there"
            )


def _open_work(
    task: "Task", run: Run, draw: "Draw", format: "OutputFormat"
) -> "tuple[str, PictureWork]":
    """Load the network; return its name and the function from file to file."""
    from featheredge.batch import PictureWork
    from featheredge.session import Session

    session = Session(
        run.model,
        task=task,
        threads=run.threads,
        provider=run.provider,
        precision=run.precision,
    )
    work = PictureWork(
        lambda image: draw(session, image),
        format,
        run.files.frames,
        run.files.keep_metadata,
        run.max_megapixels,
    )
    return session.name, work


def _refuse_with_pipe(verb: str, inputs: list[str], run: Run) -> None:
    if len(inputs) > 1 or run.output or run.as_json or run.preview or run.folders.watch:
        raise ArgumentError(
            "- reads one image and writes one to standard output; leave out the other inputs, -o, "
            "--json, --preview and --watch"
        )
    if sys.stdin.isatty() or sys.stdout.isatty():
        raise ArgumentError(
            "- reads standard input and writes to standard output; redirect both: "
            f"featheredge {verb} - < photo.jpg > {verb}.png"
        )


def _pipe(work: "PictureWork", run: Run) -> int:
    """Process the image on standard input."""
    from featheredge.inputs import PictureFile

    picture = PictureFile(sys.stdin.buffer.read(), "standard input")
    with _decoder(run) as decode:
        output = work(decode(picture))
    if output.mask is not None:
        raise ArgumentError("- writes one image; leave out --mask")
    sys.stdout.buffer.write(output.content)
    return 0


def _watch(
    watcher: "Watcher",
    work: "PictureWork",
    run: Run,
    workers: int,
    read: "Callable[[Source], PictureFile]",
) -> "Generator[Result]":
    """Yield the results of files as they come, without end."""
    from featheredge import batch

    while True:
        started = time.monotonic()
        jobs = watcher.ready()
        listing_s = time.monotonic() - started
        if jobs:
            yield from batch.run(jobs, work, force=run.files.force, workers=workers, read=read)
        # Large folders take long to list: they are listed less often, a tenth of the time.
        time.sleep(max(batch.POLL_S, 9 * listing_s))


@contextmanager
def _reader(run: Run) -> "Iterator[Callable[[Source], PictureFile]]":
    """Yield the function that reads an input."""
    from featheredge.inputs import read

    with _decoder(run) as decode:
        yield lambda source: decode(read(source, allow_private=run.folders.allow_private_urls))


@contextmanager
def _decoder(run: Run) -> "Iterator[Callable[[PictureFile], PictureFile]]":
    """Yield a function that decodes a file in another process if that is asked for."""
    if not run.folders.isolate:
        yield lambda picture: picture
        return
    if run.files.keep_metadata:
        raise ArgumentError("--isolate passes on pixels only; leave out it or --keep-metadata")
    from featheredge.isolation import IsolatedDecoder

    frames = run.files.frames == "all"
    with IsolatedDecoder(max_megapixels=run.max_megapixels, frames=frames) as decoder:
        yield decoder
