"""Progress on standard error: a bar on a terminal, and lines or nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from featheredge.cli.remaining import RemainingTime

if TYPE_CHECKING:
    from featheredge.training.log import Length


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left while the body runs, on a terminal only.

    Yields:
        A function to call with the number of things that are done and their total.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


@contextmanager
def training_progress() -> "Iterator[Callable[[dict[str, Any], Length], None]]":
    """Show a bar with loss and rate; without a terminal, an estimate and a line for each epoch."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4g}  {task.fields[rate]:.1f} crops/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        # Its columns are numbers, which there are none of before the first step.
        task = bar.add_task("train", visible=False)
        remaining = RemainingTime()

        def report(record: "dict[str, Any]", length: "Length") -> None:
            step = record["step"]
            if "val_loss" in record:
                console.print(f"epoch {record['epoch']}: validation loss {record['val_loss']:.4g}")
                return
            loss, rate = record["loss"], record["samples_per_s"]
            bar.update(task, total=length.steps, completed=step, loss=loss, rate=rate, visible=True)
            if not console.is_terminal and (estimate := remaining.after(step, length)):
                console.print(estimate)
            if not console.is_terminal and step % length.steps_per_epoch == 0:
                epoch = step // length.steps_per_epoch
                console.print(f"epoch {epoch}/{length.epochs}: loss {loss:.4g}")

        yield report
