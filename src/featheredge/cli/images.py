"""Processing of image inputs, the same for all verbs: files, pipes, progress and result lines."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.cli.progress import counter
from featheredge.errors import ArgumentError

if TYPE_CHECKING:
    from featheredge.batch import Result
    from featheredge.catalog import Task
    from featheredge.session import Session

    Encode: TypeAlias = Callable[[Session, Path | bytes], bytes]
    """Converts one image, a path or the bytes of a file, to the bytes of a PNG or SVG."""

Details: TypeAlias = dict[str, float]
"""What is known about an output besides its path, by the name in the JSON report."""


@Parameter(name="*")
@dataclass(frozen=True)
class Run:
    """The options of all verbs that run a network.

    Attributes:
        output: A folder, or a .png file for a single input. Default: NAME_VERB.png next to each
            input, as in photo_edges.png (standard output for -). Inputs whose outputs exist are
            skipped.
        model: A name from `featheredge models` or the path of an .onnx file. Default: the default
            model of the task.
        threads: Threads for inference.
        provider: cpu, cuda, openvino, ... There is no fallback to another provider.
        max_megapixels: Refuse larger images.
        force: Replace existing files.
        as_json: Print one JSON object instead of lines.
        preview: Show each output in the terminal, if it can draw pictures (kitty, iTerm2, sixel);
            elsewhere, print a link to the file.
    """

    output: Annotated[Path | None, Parameter(alias="-o")] = None
    model: Annotated[str | None, Parameter(alias="-m")] = None
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1
    provider: str = "cpu"
    max_megapixels: Annotated[float, Parameter(validator=Number(gt=0))] = 100.0
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False
    preview: Annotated[bool, Parameter(negative="")] = False


DEFAULTS = Run()


def process(
    verb: str,
    task: "Task",
    inputs: list[str],
    run: Run,
    encode: "Encode",
    *,
    suffix: str = ".png",
    details: Mapping[str, Details] = MappingProxyType({}),
    masks: Mapping[str, bytes] = MappingProxyType({}),
) -> int:
    """Process all inputs and return the exit code.

    `suffix` is that of the outputs. `encode` can fill `details`, to be reported, and `masks`, PNG
    files to be written beside the outputs, by input.
    """
    from featheredge import batch
    from featheredge.session import Session

    def open_session() -> Session:
        return Session(run.model, task=task, threads=run.threads, provider=run.provider)

    if "-" in inputs:
        if len(inputs) > 1 or run.output or run.as_json or run.preview:
            raise ArgumentError(
                "- reads one image and writes one to standard output; leave out the other inputs, "
                "-o, --json and --preview"
            )
        if sys.stdin.isatty() or sys.stdout.isatty():
            raise ArgumentError(
                "- reads standard input and writes to standard output; redirect both: "
                f"featheredge {verb} - < photo.jpg > {verb}{suffix}"
            )
        content = encode(open_session(), sys.stdin.buffer.read())
        if masks:
            raise ArgumentError("- writes one image; leave out --mask")
        sys.stdout.buffer.write(content)
        return 0
    if run.preview and run.as_json:
        raise ArgumentError("--preview and --json both write to standard output; leave out one")
    jobs = batch.plan(inputs, run.output, verb=verb, suffix=suffix, force=run.force)
    session = open_session()
    outputs = {job.source: job.output for job in jobs}

    def work(source: Path) -> bytes:
        content = encode(session, source)
        if mask := masks.get(str(source)):
            batch.write_mask(outputs[source], mask, force=run.force)
        return content

    results = batch.run(jobs, work, force=run.force)
    if len(jobs) > 1 and sys.stderr.isatty():
        results = _with_progress(results, len(jobs), verb)
    return _report(results, session.name, run, details)


def _with_progress(results: "Iterator[Result]", total: int, verb: str) -> "Iterator[Result]":
    """Show a progress bar, and yield the results when all are finished."""
    finished = []
    try:
        with counter(verb) as advance:
            for result in results:
                finished.append(result)
                advance(len(finished), total)
    finally:
        yield from finished


_NOTES = {"confidence": ", confidence {:.2f}", "dropped_parts": ", {} small parts dropped"}


def _report(
    results: "Iterable[Result]", model: str, run: Run, details: Mapping[str, Details]
) -> int:
    """Print the result of every file; return the exit code, 1 if any file failed."""
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
            known = details.get(source, {})
            written.append({**entry, **known})
            if not run.as_json:
                note = "".join(_NOTES[name].format(value) for name, value in known.items())
                sys.stdout.write(f"{source} -> {output} ({result.seconds:.2f} s{note})\n")
            if run.preview:
                _preview(result.job.output)
    if run.as_json:
        report = {"model": model, "written": written, "skipped": skipped, "failed": failed}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    elif skipped:
        one = f"{skipped[0]['output']} exists; add -f to replace it"
        why = one if len(skipped) == 1 else "their outputs exist; add -f to replace them"
        sys.stderr.write(f"featheredge: {len(skipped)} skipped, {why}\n")
    if failed:
        sys.stderr.write(f"featheredge: {len(written)} written, {len(failed)} failed\n")
    return int(bool(failed))


def _preview(output: Path) -> None:
    """Show an output in the terminal, or a link to it."""
    from featheredge import terminal_image

    protocol = terminal_image.detect() if sys.stdout.isatty() else None
    sys.stdout.write(terminal_image.preview(output, protocol) + "\n")
    sys.stdout.flush()
