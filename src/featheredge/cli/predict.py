"""Verbs that use a trained network: edges, saliency, cutout.

Each says how one picture becomes one PNG; files, pipes, progress and reports are the same for all.
"""

import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from featheredge.cli.progress import counter
from featheredge.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from featheredge.batch import Result
    from featheredge.catalog import Task
    from featheredge.session import Session

    Encode: TypeAlias = Callable[[Session, Path | bytes], bytes]


def _refuse_options(_: type, inputs: list[str]) -> None:
    """Letting "-" be an input lets every misspelt option be one; this is where they end."""
    for text in inputs:
        if text.startswith("-") and text != "-":
            near = difflib.get_close_matches(text.partition("=")[0], _options(), n=1)
            hint = f"Did you mean {near[0]}?" if near else f"A file of that name is ./{text}"
            raise CycloptsError(msg=f"Unknown option: {text}. {hint}")


def _options() -> list[str]:
    """The options of every verb here."""
    verbs = (App(default_command=verb) for verb in (edges, saliency, cutout))
    arguments = (argument for verb in verbs for argument in verb.assemble_argument_collection())
    return [name for argument in arguments for name in argument.names if name.startswith("-")]


Inputs: TypeAlias = Annotated[
    list[str], Parameter(allow_leading_hyphen=True, validator=_refuse_options, negative="")
]
Threshold: TypeAlias = Annotated[float, Parameter(validator=Number(gt=0, lte=1))]
"""The value of the map from which a pixel counts as edge or object, in every verb."""


@Parameter(name="*")
@dataclass(frozen=True)
class Run:
    """What every verb here takes.

    Attributes:
        output: A folder, or the name of the PNG for a single input. Left out: NAME_VERB.png, as in
            photo_edges.png, beside each input (standard output for -). Inputs whose outputs exist
            are skipped.
        model: A name from `featheredge models` or the path of an .onnx file. Left out: the
            default model for what is asked.
        threads: Threads that compute one image.
        provider: cpu, cuda, openvino, ...; never replaced by another.
        max_megapixels: Refuse larger images.
        force: Replace existing files.
        as_json: Print one JSON object instead of lines.
    """

    output: Annotated[Path | None, Parameter(alias="-o")] = None
    model: Annotated[str | None, Parameter(alias="-m")] = None
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1
    provider: str = "cpu"
    max_megapixels: Annotated[float, Parameter(validator=Number(gt=0))] = 100.0
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False


_AS_USUAL = Run()


def edges(
    inputs: Inputs,
    /,
    *,
    threshold: Threshold | None = None,
    thin: Annotated[bool, Parameter(negative="")] = False,
    run: Run = _AS_USUAL,
) -> int:
    """Find edges and write them as 8-bit greyscale PNGs, white on black, value round(255 p).

    Args:
        inputs: Images, folders (with their sub-folders) or glob patterns; - alone reads one image
            from standard input.
        threshold: Value of the map, above 0 to 1, from which a pixel is an edge: write those
            white and all others black.
        thin: Keep only the ridges of the map (non-maximum suppression).
        run: Where to, with which network.
    """

    def encode(session: "Session", source: "Path | bytes") -> bytes:
        map = session(source, max_megapixels=run.max_megapixels)
        if thin:
            from featheredge.nms import suppress

            map = suppress(map)
        return _encode(map, threshold)

    return _work("edges", "edges", inputs, run, encode)


def saliency(
    inputs: Inputs,
    /,
    *,
    threshold: Threshold | None = None,
    refine: Annotated[bool, Parameter(negative="")] = False,
    run: Run = _AS_USUAL,
) -> int:
    """Find what stands out and write it as 8-bit greyscale PNGs, white on black, round(255 p).

    Args:
        inputs: Images, folders (with their sub-folders) or glob patterns; - alone reads one image
            from standard input.
        threshold: Value of the map, above 0 to 1, from which a pixel belongs to an object: write
            those white and all others black.
        refine: Write the mask that cutout uses instead of the map: crisp at the picture's
            borders, white inside, black outside.
        run: Where to, with which network.
    """

    def encode(session: "Session", source: "Path | bytes") -> bytes:
        from featheredge.compose import refine_subject, soft_mask
        from featheredge.image import load

        pixels = load(source, max_megapixels=run.max_megapixels)
        map = session(pixels, max_megapixels=run.max_megapixels)
        if refine:
            map = refine_subject(pixels, map, threshold or 0.5)
            map = soft_mask(map) if threshold is None else map
        return _encode(map, threshold)

    return _work("saliency", "saliency", inputs, run, encode)


def cutout(
    inputs: Inputs,
    /,
    *,
    background: str | None = None,
    crop: Annotated[bool, Parameter(negative="")] = False,
    margin: Annotated[float, Parameter(validator=Number(gte=0))] = 0.05,
    threshold: Threshold = 0.5,
    subject: Literal["all", "largest"] = "all",
    min_share: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0.05,
    run: Run = _AS_USUAL,
) -> int:
    """Cut out what stands out and write it as PNGs, transparent where the rest was.

    Args:
        inputs: Images, folders (with their sub-folders) or glob patterns; - alone reads one image
            from standard input.
        background: What to put behind instead: a colour (white, #00ff00), an image file, or blur
            for the picture's own background, blurred.
        crop: Crop to the object.
        margin: What to leave around it then, as a share of its longer side.
        threshold: Value of the map, above 0 to 1, from which a pixel belongs to an object. A
            picture whose map nowhere reaches it has no object and counts as failed.
        subject: Whether to keep all parts of what stands out, or the largest alone.
        min_share: Drop parts smaller than this share of the largest one's area; 0 keeps them.
        run: Where to, with which network.
    """
    dropped: dict[str, int] = {}

    def encode(session: "Session", source: "Path | bytes") -> bytes:
        from PIL import Image

        from featheredge import compose
        from featheredge.image import encode_png

        cut = compose.cutout(
            source,
            model=session,
            threshold=threshold,
            background=background,
            crop=crop,
            margin=margin,
            subject=subject,
            min_share=min_share,
            on_dropped=lambda count: dropped.update({str(source): count}),
            max_megapixels=run.max_megapixels,
        )
        assert isinstance(cut, Image.Image)
        return encode_png(cut)

    return _work("cutout", "saliency", inputs, run, encode, dropped)


def _encode(map: "NDArray[np.float32]", threshold: float | None) -> bytes:
    """The PNG of a map, cut at a threshold if asked."""
    from featheredge.image import binarise, encode_map

    return encode_map(map if threshold is None else binarise(map, threshold))


def _work(
    verb: str,
    task: "Task",
    inputs: list[str],
    run: Run,
    encode: "Encode",
    dropped: Mapping[str, int] = MappingProxyType({}),
) -> int:
    """Turn every input into a PNG; return the exit code.

    `dropped` has, for an input that was encoded, how many small parts its cut-out lost.
    """
    from featheredge import batch
    from featheredge.session import Session

    def open_session() -> Session:
        return Session(run.model, task=task, threads=run.threads, provider=run.provider)

    if "-" in inputs:
        if len(inputs) > 1 or run.output or run.as_json:
            raise ArgumentError("- reads one image and writes to standard output: redirect that")
        if sys.stdin.isatty() or sys.stdout.isatty():
            raise ArgumentError(
                f"- reads an image file and writes a PNG: featheredge {verb} - < photo.jpg > "
                f"{verb}.png"
            )
        sys.stdout.buffer.write(encode(open_session(), sys.stdin.buffer.read()))
        return 0
    jobs = batch.plan(inputs, run.output, verb=verb, force=run.force)
    session = open_session()
    results = batch.run(jobs, lambda source: encode(session, source), force=run.force)
    if len(jobs) > 1 and sys.stderr.isatty():
        results = _with_progress(results, len(jobs), verb)
    return _report(results, session.name, run.as_json, dropped)


def _with_progress(results: "Iterator[Result]", total: int, verb: str) -> "Iterator[Result]":
    """Show a bar first; what is printed about the results comes after it."""
    finished = []
    try:
        with counter(verb) as advance:
            for result in results:
                finished.append(result)
                advance(len(finished), total)
    finally:
        yield from finished


def _report(
    results: "Iterable[Result]", model: str, as_json: bool, dropped: Mapping[str, int]
) -> int:
    """Print what became of every file; return the exit code, 1 if any of them failed."""
    written, skipped, failed = [], [], []
    for result in results:
        source, output = str(result.job.source), str(result.job.output)
        if result.skipped:
            skipped.append({"input": source, "output": output})
        elif result.error is not None:
            failed.append({"input": source, "error": result.error})
            sys.stderr.write(f"featheredge: {result.error}\n")
        else:
            entry = {"input": source, "output": output, "seconds": round(result.seconds, 4)}
            parts = {"dropped_parts": dropped[source]} if source in dropped else {}
            written.append({**entry, **parts})
            if not as_json:
                note = f", {dropped[source]} small parts dropped" if parts else ""
                sys.stdout.write(f"{source} -> {output} ({result.seconds:.2f} s{note})\n")
    if as_json:
        report = {"model": model, "written": written, "skipped": skipped, "failed": failed}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    elif skipped:
        one = f"{skipped[0]['output']} exists; -f replaces it"
        why = one if len(skipped) == 1 else "their outputs exist; -f replaces them"
        sys.stderr.write(f"featheredge: {len(skipped)} skipped, {why}\n")
    if failed:
        sys.stderr.write(f"featheredge: {len(written)} written, {len(failed)} failed\n")
    return int(bool(failed))
