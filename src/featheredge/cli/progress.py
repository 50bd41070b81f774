"""Progress bars on standard error, on a terminal only; training prints epochs elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from featheredge.cli.remaining import RemainingTime

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task

    from featheredge.training.log import Length

Advance: TypeAlias = Callable[[int, int], None]
"""Called with the number of finished items and the total."""


@contextmanager
def counter(label: str) -> Iterator[Advance]:
    """Show a bar with the number of finished items and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with _bar(*columns) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def folder_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar with pictures per second, failures and the time left; lines print above it.

    Args:
        label: What the bar counts.
        total: The number of pictures.

    Yields:
        A function to call after each picture, with the number of failed pictures.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failures]}"),
    )
    with _bar(*columns) as bar:
        task = bar.add_task(label, total=total, rate="", failures="")

        def advance(num_failed: int) -> None:
            failures = f"{num_failed} failed" if num_failed else ""
            bar.update(task, advance=1, rate=_rate(bar.tasks[0]), failures=failures)

        yield advance


@contextmanager
def frame_counter() -> "Iterator[Callable[[int, int | None], None]]":
    """Show a bar with the number of finished frames, frames per second and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("video"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with _bar(*columns) as bar:
        task = bar.add_task("video", total=None, rate="")

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)
            if speed := bar.tasks[0].speed:
                bar.update(task, rate=f"{speed:.1f} frames/s")

        yield report


@contextmanager
def training_progress() -> "Iterator[TrainingProgress]":
    """Show a bar with loss and rate; without a terminal, an estimate and a line for each epoch."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description} {task.completed:.0f}/{task.total:.0f}"),
        BarColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeRemainingColumn(),
    )
    with _bar(*columns) as bar:
        yield TrainingProgress(bar)


class TrainingProgress:
    """Reports a training run; call it with every line of its log."""

    def __init__(self, bar: "Progress") -> None:
        self._bar, self._remaining = bar, RemainingTime()
        # Hidden until there are numbers to show.
        self._decode = bar.add_task("decode picture", visible=False, numbers="")
        self._train = bar.add_task("step", visible=False, numbers="")

    def __call__(self, record: "dict[str, Any]", length: "Length") -> None:
        """Show a step, or print a validation."""
        bar, step = self._bar, record["step"]
        if "val_loss" in record:
            bar.console.print(f"epoch {record['epoch']}: validation loss {record['val_loss']:.4g}")
            return
        loss, rate = record["loss"], record["samples_per_s"]
        numbers = f"loss {loss:.4g}  {rate:.1f} crops/s"
        bar.update(self._train, total=length.steps, completed=step, numbers=numbers, visible=True)
        if not bar.console.is_terminal and (estimate := self._remaining.after(step, length)):
            bar.console.print(estimate)
        if not bar.console.is_terminal and step % length.steps_per_epoch == 0:
            epoch = step // length.steps_per_epoch
            bar.console.print(f"epoch {epoch}/{length.epochs}: loss {loss:.4g}")

    def decoded(self, done: int, total: int) -> None:
        """Show how many pictures of a set are decoded; without a terminal, print when it begins."""
        self._bar.update(self._decode, total=total, completed=done, visible=done < total)
        if done == 1 and not self._bar.console.is_terminal:
            self._bar.console.print(f"decoding {total} pictures, once")


def _rate(task: "Task") -> str:
    """Return the mean rate since the start; nothing in the first second, where it means little."""
    seconds = task.elapsed or 0
    rate = task.completed / seconds if seconds > 1 else 0
    return f"{rate:.{0 if rate >= 10 else 1}f} pictures/s" if rate else ""


def _bar(*columns: "ProgressColumn") -> "Progress":
    """Return a bar on standard error that is erased at the end and not drawn without a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # lines in a file or pipe stay there
    )
