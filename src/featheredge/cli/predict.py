"""Verbs that use a trained network: edges; models and doctor, which say what is there."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from featheredge.batch import Result


def _refuse_options(_: type, inputs: list[str]) -> None:
    """Letting "-" be an input lets every misspelt option be one; this is where they end."""
    for text in inputs:
        if text.startswith("-") and text != "-":
            raise ValueError(f"unknown option {text} (a file of that name is ./{text})")


def edges(
    inputs: Annotated[
        list[str], Parameter(allow_leading_hyphen=True, validator=_refuse_options, negative="")
    ],
    /,
    *,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    threshold: Annotated[float | None, Parameter(validator=Number(gte=0, lte=1))] = None,
    thin: Annotated[bool, Parameter(negative="")] = False,
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    provider: str = "cpu",
    max_megapixels: Annotated[float, Parameter(validator=Number(gt=0))] = 100.0,
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Find edges and write them as 8-bit greyscale PNGs, white on black, value round(255 p).

    Args:
        inputs: Images, folders or glob patterns; - alone reads one image from standard input.
        output: A folder, or the name of the PNG for a single input. Left out: NAME_edges.png
            beside each input (standard output for -).
        model: A name from `featheredge models` or the path of an .onnx file. Left out: the
            default edge model.
        threshold: Write black and white only: white where p is at least this, 0 to 1.
        thin: Keep only the ridges of the map (non-maximum suppression).
        threads: Threads that compute one image.
        provider: cpu, cuda, openvino, ...; never replaced by another.
        max_megapixels: Refuse larger images.
        force: Replace existing files.
        as_json: Print one JSON object instead of lines.
    """
    from featheredge import batch
    from featheredge.image import encode_map, save_map
    from featheredge.session import Session

    def predict(source: "Path | bytes") -> "NDArray[np.float32]":
        return _finish(session(source, max_megapixels=max_megapixels), thin, threshold)

    if "-" in inputs:
        if len(inputs) > 1 or output or as_json:
            raise ArgumentError("- reads one image and writes to standard output: redirect that")
        session = Session(model, threads=threads, provider=provider)
        sys.stdout.buffer.write(encode_map(predict(sys.stdin.buffer.read())))
        return 0
    jobs = batch.plan(inputs, output)
    session = Session(model, threads=threads, provider=provider)
    results = batch.run(jobs, lambda job: save_map(predict(job.source), job.output), force=force)
    return _report(_with_progress(results, len(jobs)), session.name, as_json)


def models(
    pattern: str = "*",
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Say which networks are shipped: what each was trained on, its licence and its scores.

    Args:
        pattern: Only names that match this, such as "mobile-*".
        as_json: Print one JSON object with every fact.
    """
    from featheredge import catalog

    entries = catalog.list_models(pattern)
    if not entries:
        catalog.find(pattern)  # raises, with the nearest names
    if as_json:
        _print_json({"models": [asdict(entry) for entry in entries]})
        return
    for entry in entries:
        size_mb = catalog.weights_path(entry).stat().st_size / 1e6
        _print(f"{entry.name}  {entry.task}, {entry.num_params:,} parameters, {size_mb:.1f} MB")
        _print(f"    network   {entry.network}")
        _print(f"    licence   {entry.licence}")
        _print(f"    trained   on {entry.training_data}, from {entry.initial_weights},")
        _print(f"              teacher: {entry.teacher or 'none'}, by {entry.trained_by}")
        for score in entry.scores:
            _print(f"    score     {score.measure} {score.value:.3f} on {score.dataset}")
            _print(f"              {score.protocol}")
        if entry.notes:
            _print(f"    notes     {entry.notes}")


def doctor(*, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Check this installation: versions, providers, and that every shipped network runs.

    Args:
        as_json: Print one JSON object.
    """
    from featheredge.doctor import examine

    checks = examine()
    if as_json:
        _print_json({"checks": [asdict(check) for check in checks]})
    else:
        marks = {True: "ok", False: "BROKEN", None: ""}
        for check in checks:
            _print(f"{marks[check.ok]:7} {check.name:18} {check.found}")
    return int(any(check.ok is False for check in checks))


def _finish(
    map: "NDArray[np.float32]", thin: bool, threshold: float | None
) -> "NDArray[np.float32]":
    """Thin a map, then cut it at a threshold, as far as asked."""
    if thin:
        from featheredge.nms import suppress

        map = suppress(map)
    if threshold is not None:
        map = (map >= threshold).astype(map.dtype)
    return map


def _with_progress(results: "Iterator[Result]", total: int) -> "Iterable[Result]":
    """Show a bar on a terminal; what is printed about the results then comes after it."""
    if total == 1 or not sys.stderr.isatty():
        return results
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return list(track(results, "Finding edges", total, console=console, transient=True))


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
            _print(f"{source} -> {output} ({result.seconds:.2f} s)")
    if as_json:
        _print_json({"model": model, "written": written, "failed": failed})
    if failed:
        sys.stderr.write(f"featheredge: {len(written)} written, {len(failed)} failed\n")
    return int(bool(failed))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _print_json(value: object) -> None:
    _print(json.dumps(value, indent=2))
