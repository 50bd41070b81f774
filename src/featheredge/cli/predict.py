"""Verbs that use a trained network: edges, saliency, cutout.

Each says how one picture becomes one PNG; files, pipes, progress and reports are the same for all.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.cli.progress import progress_bar
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
            raise ValueError(f"unknown option {text} (a file of that name is ./{text})")


Inputs: TypeAlias = Annotated[
    list[str], Parameter(allow_leading_hyphen=True, validator=_refuse_options, negative="")
]
Share: TypeAlias = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


@Parameter(name="*")
@dataclass(frozen=True)
class Run:
    """What every verb here takes.

    Attributes:
        output: A folder, or the name of the PNG for a single input. Left out: NAME_VERB.png, as in
            photo_edges.png, beside each input (standard output for -).
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
    threshold: Share | None = None,
    thin: Annotated[bool, Parameter(negative="")] = False,
    run: Run = _AS_USUAL,
) -> int:
    """Find edges and write them as 8-bit greyscale PNGs, white on black, value round(255 p).

    Args:
        inputs: Images, folders or glob patterns; - alone reads one image from standard input.
        threshold: Write black and white only: white where p is at least this, 0 to 1.
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
    threshold: Share | None = None,
    refine: Annotated[bool, Parameter(negative="")] = False,
    run: Run = _AS_USUAL,
) -> int:
    """Find what stands out and write it as 8-bit greyscale PNGs, white on black, round(255 p).

    Args:
        inputs: Images, folders or glob patterns; - alone reads one image from standard input.
        threshold: Write black and white only: white where p is at least this, 0 to 1.
        refine: Write the mask that cutout uses instead of the map: crisp at the picture's
            borders, white inside, black outside.
        run: Where to, with which network.
    """

    def encode(session: "Session", source: "Path | bytes") -> bytes:
        from featheredge.compose import subject_mask
        from featheredge.image import load

        pixels = load(source, max_megapixels=run.max_megapixels)
        map = session(pixels, max_megapixels=run.max_megapixels)
        return _encode(subject_mask(pixels, map) if refine else map, threshold)

    return _work("saliency", "saliency", inputs, run, encode)


def cutout(
    inputs: Inputs,
    /,
    *,
    background: str | None = None,
    crop: Annotated[bool, Parameter(negative="")] = False,
    margin: Annotated[float, Parameter(validator=Number(gte=0))] = 0.05,
    threshold: Annotated[float, Parameter(validator=Number(gt=0, lte=1))] = 0.5,
    run: Run = _AS_USUAL,
) -> int:
    """Cut out what stands out and write it as PNGs, transparent where the rest was.

    Args:
        inputs: Images, folders or glob patterns; - alone reads one image from standard input.
        background: What to put behind instead: a colour (white, #00ff00), an image file, or blur
            for the picture's own background, blurred.
        crop: Crop to the object.
        margin: What to leave around it then, as a share of its longer side.
        threshold: Where the object's border is drawn; a picture whose map nowhere reaches it has
            no object and counts as failed.
        run: Where to, with which network.
    """

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
            max_megapixels=run.max_megapixels,
        )
        assert isinstance(cut, Image.Image)
        return encode_png(cut)

    return _work("cutout", "saliency", inputs, run, encode)


def _encode(map: "NDArray[np.float32]", threshold: float | None) -> bytes:
    """The PNG of a map, cut at a threshold if asked."""
    from featheredge.image import encode_map

    return encode_map(map if threshold is None else (map >= threshold).astype(map.dtype))


def _work(verb: str, task: "Task", inputs: list[str], run: Run, encode: "Encode") -> int:
    """Turn every input into a PNG; return the exit code."""
    from featheredge import batch
    from featheredge.session import Session

    def open_session() -> Session:
        return Session(run.model, task=task, threads=run.threads, provider=run.provider)

    if "-" in inputs:
        if len(inputs) > 1 or run.output or run.as_json:
            raise ArgumentError("- reads one image and writes to standard output: redirect that")
        sys.stdout.buffer.write(encode(open_session(), sys.stdin.buffer.read()))
        return 0
    jobs = batch.plan(inputs, run.output, verb=verb)
    session = open_session()
    results = batch.run(jobs, lambda source: encode(session, source), force=run.force)
    return _report(_with_progress(results, len(jobs), verb), session.name, run.as_json)


def _with_progress(results: "Iterator[Result]", total: int, verb: str) -> "Iterable[Result]":
    """Show a bar on a terminal; what is printed about the results then comes after it."""
    if total == 1 or not sys.stderr.isatty():
        return results
    seen = []
    with progress_bar(verb) as advance:
        for result in results:
            seen.append(result)
            advance(len(seen), total)
    return seen


def _report(results: "Iterable[Result]", model: str, as_json: bool) -> int:
    """Print what became of every file; return the exit code, 1 if any of them failed."""
    written, failed = [], []
    for result in results:
        source, output = str(result.job.source), str(result.job.output)
        if result.error is not None:
            failed.append({"input": source, "error": result.error})
            sys.stderr.write(f"featheredge: {result.error}\n")
            continue
        written.append({"input": source, "output": output, "seconds": round(result.seconds, 4)})
        if not as_json:
            sys.stdout.write(f"{source} -> {output} ({result.seconds:.2f} s)\n")
    if as_json:
        report = {"model": model, "written": written, "failed": failed}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    if failed:
        sys.stderr.write(f"featheredge: {len(written)} written, {len(failed)} failed\n")
    return int(bool(failed))
