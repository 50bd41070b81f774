"""The plan of a batch: an output file for every input file.

`plan` finds the inputs and names their outputs. Both refuse everything that can be refused before
any work starts.
"""

import os
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from featheredge.address import Address, Place
from featheredge.errors import ArgumentError, OutputError
from featheredge.image import IMAGE_SUFFIXES
from featheredge.inputs import Found, Source, expand
from featheredge.output_format import FORMATS, format_of
from featheredge.url import Url

VERBS = ("edges", "saliency", "cutout", "mask")
"""The suffixes of output names: photo_edges.png is written next to photo.jpg."""

SVG = ".svg"
"""The end of names of vector drawings, the only outputs that are not pictures of pixels."""


@dataclass(frozen=True)
class Job:
    """One input and its output file.

    Attributes:
        source: The input file, URL or address.
        output: The output file.
    """

    source: Source
    output: Place


@dataclass(frozen=True)
class Naming:
    """How output files are named.

    Attributes:
        output: None names each output `STEM_VERB.EXTENSION`, next to its input, and that of a URL
            in the current folder. A name with the end of a picture is the output of a single
            input. Any other path is a folder: each output is named `STEM.EXTENSION` in it, in the
            same sub-folders as the inputs.
        verb: One of `VERBS`.
        suffix: What follows the stem, in place of `_VERB` or nothing.
        extension: The end of each name, with its dot.

    Raises:
        ArgumentError: The suffix has a path separator, or is empty next to the inputs.
    """

    output: Place | None = None
    verb: str = "edges"
    suffix: str | None = None
    extension: str = ".png"

    def __post_init__(self) -> None:
        if self.suffix == "" and self.output is None:
            raise ArgumentError(
                "outputs next to their inputs need a suffix; add -o FOLDER, or give --suffix a text"
            )
        if set(self.suffix or "") & {"/", os.sep, "\0"}:
            raise ArgumentError(
                f"suffix is {self.suffix!r}; it is a part of a file name and has no /; for "
                "another folder add -o FOLDER"
            )

    @property
    def one_file(self) -> bool:
        """Whether `output` is a file, not a folder."""
        if self.output is None:
            return False
        return is_file_name(self.output, self.extension)

    def target(self, found: Found, *, whole_name: bool = False) -> Place:
        """Return the output file; `whole_name` keeps the input's own suffix in its name."""
        stem = found.source.name if whole_name else found.source.stem
        if self.output is not None:
            return self.output / found.folder / f"{stem}{self.suffix or ''}{self.extension}"
        name = f"{stem}{self._suffix_beside}{self.extension}"
        return found.source.with_name(name) if isinstance(found.source, Path) else Path(name)

    def without_results(self, found: Sequence[Found]) -> list[Found]:
        """Leave out the outputs of earlier runs that lie next to their inputs."""
        inputs = {
            (each.source.parent, name)
            for each in found
            if isinstance(each.source, Path)
            for name in (each.source.stem, each.source.name)
        }
        return [each for each in found if not self._is_result(each.source, inputs)]

    def _is_result(self, source: Source, inputs: set[tuple[Path, str]]) -> bool:
        if isinstance(source, Url | Address) or (
            format_of(source) is None and source.suffix != self.extension
        ):
            return False
        ends = {*(f"_{verb}" for verb in VERBS), self._suffix_beside} - {""}
        return any(
            source.stem.endswith(end) and (source.parent, source.stem.removesuffix(end)) in inputs
            for end in ends
        )

    @property
    def _suffix_beside(self) -> str:
        return f"_{self.verb}" if self.suffix is None else self.suffix


def plan(
    inputs: Sequence[str], naming: Naming, *, force: bool = False, allow_urls: bool = False
) -> list[Job]:
    """Find the input files and choose an output file for each.

    Args:
        inputs: Files, folders (all images in them and in their sub-folders), glob patterns (all
            images that match, `**` for any folders) and URLs. The images of a folder or pattern
            are sorted. Outputs of earlier runs that lie next to their inputs in a folder or
            pattern are not taken as inputs.
        naming: How outputs are named. Where two inputs differ only in the suffix, such as a.jpg
            and a.png, the suffix stays in the name: `a.jpg_edges.png`.
        force: Whether an existing file named by `naming.output` may be replaced.
        allow_urls: Whether inputs may be URLs.

    Returns:
        One job for each input file, in order, without duplicates.

    Raises:
        ImageError: A folder or pattern has no images, or a URL is not allowed.
        OutputError: Two inputs would share an output, an output is also an input, or the single
            output file exists.
    """
    return name_outputs(find(inputs, naming, allow_urls=allow_urls), naming, force=force)


def name_outputs(found: Sequence[Found], naming: Naming, *, force: bool = False) -> list[Job]:
    """Choose an output file for each input file, as `plan` does.

    Args:
        found: The input files, without duplicates.
        naming: How outputs are named.
        force: Whether an existing file named by `naming.output` may be replaced.

    Raises:
        OutputError: See `plan`.
    """
    short = [naming.target(each) for each in found]
    sources = {_real(f.source) for f in found if not isinstance(f.source, Url)}
    if naming.output is not None and naming.one_file:
        refuse_inputs([naming.output], sources)
        return [_single(found, naming.output, force)]
    refuse_inputs(short, sources)
    shared = {path for path, count in Counter(short).items() if count > 1}
    jobs = [
        Job(each.source, naming.target(each, whole_name=path in shared))
        for each, path in zip(found, short, strict=True)
    ]
    _refuse_shared(jobs)
    refuse_inputs((job.output for job in jobs), sources)
    return jobs


def find(inputs: Sequence[str], naming: Naming, *, allow_urls: bool = False) -> list[Found]:
    """Return the input files, without duplicates and without outputs of earlier runs.

    Raises:
        ImageError: A folder or pattern has no images, or a URL is not allowed.
    """
    by_source: dict[Source, Found] = {}
    skip = naming.output if isinstance(naming.output, Path) else None
    for text in inputs:
        for each in expand(text, skip=skip, allow_urls=allow_urls):
            by_source.setdefault(each.source, each)
    named = set(map(Path, inputs))
    kept = {each.source for each in naming.without_results(list(by_source.values()))}
    return [each for source, each in by_source.items() if source in kept or source in named]


def is_file_name(output: Place, extension: str = ".png") -> bool:
    """Return whether an output is a file, not a folder.

    Args:
        output: A path.
        extension: The end of names of outputs; ".svg" stands alone, other ends for all formats.

    Raises:
        OutputError: Its suffix is that of a picture, but not of an output format.
    """
    # pathlib raises an error if the name is too long
    if isinstance(output, Path) and os.path.isdir(output):  # noqa: PTH112
        return False
    suffix = output.suffix.lower()
    allowed = (extension,) if extension == SVG else tuple(f".{name}" for name in FORMATS)
    if suffix in allowed or (extension != SVG and format_of(output)):
        return True
    if suffix in IMAGE_SUFFIXES or suffix == SVG:
        names = ", ".join(end.removeprefix(".") for end in allowed)
        raise OutputError(f"{output}: outputs are {names} files; give such a name or a folder")
    return False


def mask_path(cutout: Place) -> Place:
    """Return the mask's file beside a cut-out: NAME_mask.png for NAME_cutout.png or NAME.png."""
    return cutout.with_name(f"{cutout.stem.removesuffix('_cutout')}_mask.png")


def exists(path: Place) -> bool:
    """Return whether there is a file or a link; no error if the name is too long.

    An address is taken to be free: it can be replaced at once, so no request asks.
    """
    return isinstance(path, Path) and os.path.lexists(path)


def _real(place: Place) -> str:
    """Return a name that is equal for two names of the same file."""
    return os.path.realpath(place) if isinstance(place, Path) else str(place)


def refuse_inputs(outputs: Iterable[Place], sources: Container[str]) -> None:
    """Raise an error if an output is also an input.

    Args:
        outputs: The output files.
        sources: The real paths, and the addresses, of the inputs.

    Raises:
        OutputError: An output is also an input.
    """
    for output in outputs:
        if _real(output) in sources:
            raise OutputError(f"{output} is also an input; write to another folder with -o FOLDER")


def _single(found: Sequence[Found], output: Place, force: bool) -> Job:
    """Return the job of the one input that is written to the file `output`."""
    if len(found) > 1:
        raise OutputError(f"{output} is one file but there are {len(found)} inputs; give a folder")
    if exists(output) and not force:
        raise OutputError(f"{output} exists; give another name, or add -f to replace it")
    return Job(found[0].source, output)


def _refuse_shared(jobs: Sequence[Job]) -> None:
    owners: dict[str, Source] = {}
    for job in jobs:
        target = _real(job.output)
        if target in owners:
            raise OutputError(
                f"{owners[target]} and {job.source} would both be written to {job.output}; "
                "run them separately, each with its own -o FOLDER"
            )
        owners[target] = job.source
