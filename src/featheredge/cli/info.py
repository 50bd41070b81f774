"""Verbs that say what is there: models, doctor."""

import json
import sys
from dataclasses import asdict
from typing import Annotated, TypeAlias

from cyclopts import Parameter

AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative="")]


def models(
    pattern: str = "*",
    /,
    *,
    as_json: AsJson = False,
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


def doctor(*, as_json: AsJson = False) -> int:
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


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


def _print_json(value: object) -> None:
    _print(json.dumps(value, indent=2))
