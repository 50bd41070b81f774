"""The verb `report`, which writes a page with the scores and costs of networks."""

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
    """Write a page with charts of scores against time and multiply-adds, with the Pareto front.

    All networks are timed on this machine, in interleaved rounds. The numbers are stored next to
    the page, in NAME-numbers.json. Its times are used again if the same networks are reported on
    the same machine.

    Args:
        folders: Folders with run folders at any depth. A network is a network.onnx with a
            score.json.
        output: The page to write.
        plot: Also draw the charts to this .png, .svg or .pdf file.
        pictures: Images for which the page shows the maps of each network. Default: two examples.
        rounds: Number of timing rounds.
        measure_again: Ignore the stored times of an earlier page.
        catalog: Include the shipped networks.
        title: Heading of the page.
        force: Replace an existing page and plot.
        as_json: Print one JSON object with all numbers.
    """
    require("lab", "`report`")
    if plot:
        require("eval", "`report --plot`", "matplotlib")
    from featheredge.files import write_bytes
    from featheredge.photos import PHOTOS
    from featheredge.report import page, points, speed
    from featheredge.report.collect import collect
    from featheredge.report.left_out import refuse_empty, unscored_runs

    numbers = output.with_name(f"{output.stem}-numbers.json")
    _refuse_existing([path for path in (output, plot) if path], force)

    def measure(sessions: "Mapping[str, Session]") -> "Measurement":
        kept = None if measure_again else speed.stored(numbers, list(sessions), rounds)
        return kept or speed.measure(sessions, rounds)

    shown = points.load_pictures(pictures or PHOTOS)
    networks, failures = collect(folders, with_catalog=catalog)
    refuse_empty(folders)
    unscored = unscored_runs(folders)
    found, measured, unusable = points.examine(networks, shown, measure)
    failures += unusable
    left_out = failures + unscored
    for failure in left_out:
        sys.stderr.write(f"featheredge: {failure}\n")
    if not found:
        raise EvaluationError(
            "nothing to report: no folder has a network.onnx with a score.json; give the folder of "
            "your runs, as in `featheredge report runs`"
        )
    sections = points.sections(found)
    stored = json.dumps(points.to_json(sections, measured, left_out), indent=2)
    write_bytes(numbers, stored.encode())
    write_bytes(output, page.render(sections, measured, shown, left_out, title).encode())
    if plot:
        from featheredge.report.figure import draw

        draw(sections, plot)
    sys.stdout.write(f"{stored}\n" if as_json else f"{output}  {len(found)} networks\n")
    return int(bool(failures))


def _refuse_existing(paths: list[Path], force: bool) -> None:
    for path in paths:
        if path.exists() and not force:
            raise OutputError(f"{path} exists; give another name, or add -f to replace it")
