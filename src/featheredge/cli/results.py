"""Printing of the results of a batch: a bar, a line for each picture, a summary, or JSON."""

import json
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from featheredge.cli.progress import folder_bar

if TYPE_CHECKING:
    from featheredge.batch import Result

Verbosity: TypeAlias = Literal["quiet", "normal", "verbose", "json"]
"""What is printed besides errors: nothing; a line for one picture or a summary of several; a line
for each picture and the summary; or one JSON object."""

_NOTES = {
    "confidence": "confidence {:.2f}",
    "dropped_parts": "{} small parts dropped",
    "frames": "{} frames",
}


def print_results(
    results: "Generator[Result]",
    model: str,
    verb: str,
    verbosity: Verbosity,
    workers: int,
    where: str,
    total: int | None = None,
    *,
    preview: bool = False,
) -> int:
    """Print the result of every file; return the exit code, 1 if any file failed.

    Args:
        results: The results, which are computed when they are taken.
        model: Name of the network.
        verb: What the progress bar shows.
        verbosity: What to print.
        workers: Pictures that are processed at the same time.
        where: Where the outputs are, such as "to maps/".
        total: The number of results. None for a watched folder, which Ctrl-C ends.
        preview: Whether to show each output in the terminal.
    """
    from featheredge.batch import Speed

    speed = Speed()
    has_lines = verbosity == "verbose" or (verbosity == "normal" and total in (1, None))
    report = _Report(has_lines)
    many = total is not None and total > 1
    has_bar = many and verbosity != "quiet" and not preview and sys.stderr.isatty()
    bar = folder_bar(verb, total or 0) if has_bar else nullcontext(lambda _: None)
    with _ended_by_ctrl_c(total is None), closing(results), bar as advance:
        for result in speed.measured(results):
            report.add(result)
            output = result.job.output
            if preview and isinstance(output, Path) and not (result.error or result.skipped):
                _preview(output)
            advance(len(report.failed))
    if verbosity == "json":
        shown = {"model": model, **report.as_dict(), "speed": speed.as_dict(workers)}
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    else:
        report.print_counts()
    if verbosity in ("normal", "verbose") and total != 1 and report.written:
        sys.stdout.write(
            f"{len(report.written)} written {where} in {speed.seconds:.1f} s: {speed}\n"
        )
    return int(bool(report.failed))


class _Report:
    """Collects results, and prints each failure and, if wanted, each picture at once.

    Attributes:
        written: Input, output, seconds and notes of each written picture.
        skipped: Input and output of each skipped picture.
        failed: Input -> error. A watched file that failed may be written later.
    """

    def __init__(self, has_lines: bool) -> None:
        self.written: list[dict[str, Any]] = []
        self.skipped: list[dict[str, str]] = []
        self.failed: dict[str, str] = {}
        self._has_lines = has_lines

    def add(self, result: "Result") -> None:
        source, output = str(result.job.source), str(result.job.output)
        self.failed.pop(source, None)
        if result.skipped:
            self.skipped.append({"input": source, "output": output})
        elif result.error is not None:
            self.failed[source] = result.error
            sys.stderr.write(f"featheredge: {result.error}\n")
        else:
            entry = {"input": source, "output": output, "seconds": round(result.seconds, 4)}
            self.written.append({**entry, **result.notes})
            if self._has_lines:
                notes = [_NOTES.get(key, key + " {}").format(n) for key, n in result.notes.items()]
                about = ", ".join([f"{result.seconds:.2f} s", *notes])
                sys.stdout.write(f"{source} -> {output} ({about})\n")
                sys.stdout.flush()  # a reader of a watched folder's lines gets each at once

    def as_dict(self) -> dict[str, list[Any]]:
        failed = [{"input": source, "error": error} for source, error in self.failed.items()]
        return {"written": self.written, "skipped": self.skipped, "failed": failed}

    def print_counts(self) -> None:
        """Print how many files were skipped and how many failed."""
        if self.skipped:
            one = f"{self.skipped[0]['output']} exists; add -f to replace it"
            why = one if len(self.skipped) == 1 else "their outputs exist; add -f to replace them"
            sys.stderr.write(f"featheredge: {len(self.skipped)} skipped, {why}\n")
        if self.failed:
            sys.stderr.write(
                f"featheredge: {len(self.written)} written, {len(self.failed)} failed\n"
            )


def _preview(output: Path) -> None:
    """Show an output in the terminal, or a link to it."""
    from featheredge import terminal_image

    protocol = terminal_image.detect() if sys.stdout.isatty() else None
    sys.stdout.write(terminal_image.preview(output, protocol) + "\n")
    sys.stdout.flush()


@contextmanager
def _ended_by_ctrl_c(is_expected: bool) -> Iterator[None]:
    """Let Ctrl-C end the body without an error, if that is how it ends."""
    try:
        yield
    except KeyboardInterrupt:
        if not is_expected:
            raise
