"""Processing of image inputs, the same for all verbs: files, pipes, progress and result lines."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.cli.progress import counter
from featheredge.errors import ArgumentError

if TYPE_CHECKING:
    from featheredge.batch import Result
    from featheredge.catalog import Task
    from featheredge.session import Session

    Encode: TypeAlias = Callable[[Session, Path | bytes], bytes]
    """Converts one image, a path or the bytes of a file, to the bytes of a PNG."""


def _at_least_one(_: type, threads: str | int) -> None:
    if threads != "auto":
        Number(gte=1)(int, threads)


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
        threads: Threads for inference, or auto for the idle cores.
        provider: cpu, cuda, openvino, ... There is no fallback to another provider.
        precision: Type of the arithmetic. bf16 needs --provider openvino.
        max_megapixels: Refuse larger images.
        force: Replace existing files.
        as_json: Print one JSON object instead of lines.
    """

    output: Annotated[Path | None, Parameter(alias="-o")] = None
    model: Annotated[str | None, Parameter(alias="-m")] = None
    threads: Annotated[Literal["auto"] | int, Parameter(validator=_at_least_one)] = 1
    provider: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    max_megapixels: Annotated[float, Parameter(validator=Number(gt=0))] = 100.0
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False


DEFAULTS = Run()


def process(
    verb: str,
    task: "Task",
    inputs: list[str],
    run: Run,
    encode: "Encode",
    dropped: Mapping[str, int] = MappingProxyType({}),
) -> int:
    """Process all inputs and return the exit code.

    `dropped` has the number of small parts dropped from each cut-out, by input.
    """
    from featheredge import batch
    from featheredge.session import Session

    def open_session() -> Session:
        return Session(
            run.model,
            task=task,
            threads=run.threads,
            provider=run.provider,
            precision=run.precision,
        )

    if "-" in inputs:
        if len(inputs) > 1 or run.output or run.as_json:
            raise ArgumentError(
                "- reads one image and writes a PNG to standard output; leave out the other "
                "inputs, -o and --json"
            )
        if sys.stdin.isatty() or sys.stdout.isatty():
            raise ArgumentError(
                "- reads standard input and writes to standard output; redirect both: "
                f"featheredge {verb} - < photo.jpg > {verb}.png"
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
    """Show a progress bar, and yield the results when all are finished."""
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
            parts = {"dropped_parts": dropped[source]} if source in dropped else {}
            written.append({**entry, **parts})
            if not as_json:
                note = f", {dropped[source]} small parts dropped" if parts else ""
                sys.stdout.write(f"{source} -> {output} ({result.seconds:.2f} s{note})\n")
    if as_json:
        report = {"model": model, "written": written, "skipped": skipped, "failed": failed}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    elif skipped:
        one = f"{skipped[0]['output']} exists; add -f to replace it"
        why = one if len(skipped) == 1 else "their outputs exist; add -f to replace them"
        sys.stderr.write(f"featheredge: {len(skipped)} skipped, {why}\n")
    if failed:
        sys.stderr.write(f"featheredge: {len(written)} written, {len(failed)} failed\n")
    return int(bool(failed))
