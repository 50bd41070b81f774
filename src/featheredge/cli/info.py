"""The verbs `models` and `doctor`, which describe this installation."""

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

if TYPE_CHECKING:
    from featheredge.catalog import Entry
    from featheredge.report.speed import Measurement

AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative="")]
Flag: TypeAlias = Annotated[bool, Parameter(negative="")]

_TIMING_ROUNDS = 10


def models(
    name: str = "*",
    /,
    *,
    time: Flag = False,
    path: Flag = False,
    as_json: AsJson = False,
) -> None:
    """List the shipped networks, or show all details of one.

    Args:
        name: A network, to show its training data, licence and scores, or a pattern such as
            "mobile-*", to list the networks that match.
        time: Measure the time of each on this machine, on one thread.
        path: Print only the path of each .onnx file.
        as_json: Print one JSON object with all details.
    """
    from featheredge import catalog

    entries = catalog.list_models(name)
    if not entries:
        catalog.find(name)  # raises an error with similar names
    if path:
        for entry in entries:
            _print(str(catalog.weights_path(entry)))
        return
    measured = _measure(entries) if time else None
    if as_json:
        _print_json({"models": [_facts(entry, measured) for entry in entries]})
    elif [entry.name for entry in entries] == [name]:
        _print_card(entries[0], measured)
    else:
        _print_table(entries, measured)


def _measure(entries: "Sequence[Entry]") -> "Measurement":
    """Time networks in interleaved rounds, so that the times are comparable."""
    from featheredge.report.speed import THREADS, measure
    from featheredge.session import Session

    sessions = {entry.name: Session(entry.name, threads=THREADS) for entry in entries}
    return measure(sessions, _TIMING_ROUNDS)


def _facts(entry: "Entry", measured: "Measurement | None") -> dict[str, object]:
    """Return all details of a network, ready for JSON."""
    from featheredge import catalog

    facts = {
        **asdict(entry),
        "path": str(catalog.weights_path(entry)),
        "default": catalog.default(entry.task) == entry,
    }
    return {**facts, "ms": measured.times[entry.name].min_ms} if measured else facts


def _print_table(entries: "Sequence[Entry]", measured: "Measurement | None") -> None:
    from featheredge import catalog

    rows = [("", "name", "task", "size", *(["time"] if measured else []), "score", "licence")]
    for entry in entries:
        score = entry.scores[0] if entry.scores else None
        rows.append(
            (
                "*" if catalog.default(entry.task) == entry else "",
                entry.name,
                entry.task,
                _size(entry),
                *([f"{measured.times[entry.name].min_ms:.0f} ms"] if measured else []),
                f"{score.measure} {score.value:.3f} on {score.dataset}" if score else "",
                entry.terms,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        _print("  ".join(cells).rstrip())
    _print("")
    _print("* default for its task. For all details of one, type: featheredge models NAME")
    if measured:
        _print(textwrap.fill(f"Times: {_how_measured(measured.machine)}", 96))


def _print_card(entry: "Entry", measured: "Measurement | None") -> None:
    from featheredge import catalog

    _print(f"{entry.name}  {entry.task}, {entry.num_params:,} parameters, {_size(entry)}")
    _print_fact("network", entry.network)
    _print_fact("licence", entry.licence)
    _print_fact("trained", f"on {entry.training_data}")
    _print_fact("", f"from {entry.initial_weights}")
    _print_fact("", f"teacher: {entry.teacher or 'none'}")
    _print_fact("", f"by {entry.trained_by}")
    for dataset, protocol in dict.fromkeys((s.dataset, s.protocol) for s in entry.scores):
        scores = [s for s in entry.scores if (s.dataset, s.protocol) == (dataset, protocol)]
        values = ", ".join(f"{score.measure} {score.value:.3f}" for score in scores)
        _print_fact("scores", f"{values} on {dataset}")
        _print_fact("", protocol)
    if entry.notes:
        _print_fact("notes", entry.notes)
    if measured:
        _print_fact("time", f"{measured.times[entry.name].min_ms:.1f} ms")
        _print_fact("", _how_measured(measured.machine))
    _print_fact("file", str(catalog.weights_path(entry)))


def _print_fact(name: str, text: str) -> None:
    lines = textwrap.wrap(text, 84, break_long_words=False, break_on_hyphens=False) or [""]
    for label, line in zip([name, *[""] * len(lines)], lines, strict=False):
        _print(f"    {label:9} {line}")


def _how_measured(machine: Mapping[str, object]) -> str:
    from featheredge.report.speed import PICTURE_PX

    return (
        f"the minimum of {_TIMING_ROUNDS} rounds on one thread of {machine['cpu']}, for an image "
        f"of {PICTURE_PX[1]}x{PICTURE_PX[0]} (edges) or of the network's own size (saliency)"
    )


def _size(entry: "Entry") -> str:
    from featheredge import catalog

    return f"{catalog.weights_path(entry).stat().st_size / 1e6:.2f} MB"


def doctor(*, as_json: AsJson = False) -> int:
    """Check this installation: versions, providers, extras, and that every shipped network runs.

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


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _print_json(value: object) -> None:
    _print(json.dumps(value, indent=2))
