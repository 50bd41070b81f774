"""Verb that shows what every network scores and costs: `featheredge report FOLDER...`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from cyclopts.validators import Path as PathKind

from featheredge.errors import EvaluationError, OutputError
from featheredge.extras import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featheredge.report.speed import Measurement
    from featheredge.session import Session


def report(
    folders: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", validator=PathKind(ext=("html",)))] = Path(
        "report.html"
    ),
    plot: Annotated[Path | None, Parameter(validator=PathKind(ext=("png", "svg", "pdf")))] = None,
    pictures: Annotated[tuple[Path, ...], Parameter(negative="", consume_multiple=True)] = (),
    rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 20,
    measure_again: Annotated[bool, Parameter(negative="")] = False,
    catalog: bool = True,
    title: str = "Accuracy against time",
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Make a page that sets scores against milliseconds and multiply-adds, with the Pareto front.

    Every network found is timed here, all in turns; the numbers are kept beside the page,
    as NAME-numbers.json, and its times serve again while the same networks are found on the same
    machine.

    Args:
        folders: Folders with run folders anywhere inside: network.onnx and score.json are one
            network.
        output: The page to write.
        plot: Also draw the charts to this .png, .svg or .pdf.
        pictures: Pictures to show each network's maps of. Left out: two shipped ones.
        rounds: How often each network is timed.
        measure_again: Do not use the times beside an earlier page.
        catalog: Show the shipped networks too.
        title: The page's heading.
        force: Replace an existing page and plot.
        as_json: Print one JSON object with every number.
    """
    require("lab", "`report`")
    if plot:
        require("eval", "`report --plot`", "matplotlib")
    from featheredge.files import write_bytes
    from featheredge.report import page, points, speed
    from featheredge.report.collect import collect

    numbers = output.with_name(f"{output.stem}-numbers.json")
    _refuse_existing([path for path in (output, plot) if path], force)

    def measure(sessions: "Mapping[str, Session]") -> "Measurement":
        kept = None if measure_again else speed.stored(numbers, list(sessions), rounds)
        return kept or speed.measure(sessions, rounds)

    shown = points.load_pictures(pictures or points.EXAMPLES)
    networks, failures = collect(folders, with_catalog=catalog)
    found, measured, unusable = points.examine(networks, shown, measure)
    failures += unusable
    for failure in failures:
        sys.stderr.write(f"featheredge: {failure}\n")
    if not found:
        raise EvaluationError(
            "there is nothing to report: no folder holds a network.onnx with its score.json"
        )
    sections = points.sections(found)
    stored = json.dumps(points.to_json(sections, measured, failures), indent=2)
    write_bytes(numbers, stored.encode())
    write_bytes(output, page.render(sections, measured, shown, failures, title).encode())
    if plot:
        from featheredge.report.figure import draw

        draw(sections, plot)
    sys.stdout.write(f"{stored}\n" if as_json else f"{output}  {len(found)} networks\n")
    return int(bool(failures))


def _refuse_existing(paths: list[Path], force: bool) -> None:
    for path in paths:
        if path.exists() and not force:
            raise OutputError(f"{path} exists; give another name, or -f to replace it")
