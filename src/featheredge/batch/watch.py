"""Watched folders: find new image files when they are complete.

Folders are listed again and again, which works on every file system, network drives too. A file
is complete when its size and its time of change stay the same for a while, or when it is renamed
into its place and then stays so. Files under a hidden name (`.photo.jpg.part`) are never read.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from featheredge.address import Place
from featheredge.batch.plan import Job, Naming, refuse_inputs
from featheredge.errors import ArgumentError
from featheredge.inputs import Found, Source, is_folder_or_pattern, list_images, root_of

POLL_S = 0.5
SETTLE_S = 1.0


class _State(NamedTuple):
    """What changes when a file changes."""

    size: int
    changed_ns: int


class Watcher:
    """Finds complete new files in folders and patterns.

    A file that changes after it was found is found again.
    """

    def __init__(
        self, inputs: Sequence[str], naming: Naming, *, settle_s: float = SETTLE_S
    ) -> None:
        """Check the arguments; nothing is listed yet.

        Args:
            inputs: Folders, which must exist, and glob patterns.
            naming: How outputs are named.
            settle_s: A file is complete if it did not change for this time.

        Raises:
            ArgumentError: An input is neither a folder nor a pattern, or the output is a file.
        """
        self._skip = naming.output if isinstance(naming.output, Path) else None
        if naming.one_file:
            raise ArgumentError(f"{naming.output} is one file; with --watch, give a folder")
        for text in inputs:
            if not is_folder_or_pattern(text):
                raise ArgumentError(f"{text} is not a folder or pattern; --watch needs one")
            if self._skip and _is_same_folder(self._skip, root_of(text)):
                raise ArgumentError(
                    f"{text} is watched, so outputs there would be inputs; give another -o FOLDER"
                )
        self._inputs, self._naming, self._settle_s = list(inputs), naming, settle_s
        self._seen: dict[Source, tuple[_State, float]] = {}
        self._done: dict[Source, _State] = {}
        self._owners: dict[Place, Source] = {}

    def ready(self) -> list[Job]:
        """List the folders once; return the files that became complete, sorted.

        Raises:
            OutputError: An output is also an input.
        """
        found = {
            each.source: each for text in self._inputs for each in list_images(text, self._skip)
        }
        now = time.monotonic()
        kept = self._naming.without_results(list(found.values()))
        jobs = [self._job(each) for each in kept if self._is_complete(each.source, now)]
        refuse_inputs((job.output for job in jobs), {os.path.realpath(str(f.source)) for f in kept})
        return jobs

    def _is_complete(self, source: Source, now: float) -> bool:
        """Return whether a file is new or changed, and settled."""
        state = _state(source)
        if state is None or state.size == 0 or self._done.get(source) == state:
            return False
        before, since = self._seen.get(source, (None, now))
        if before != state:
            since = now
        self._seen[source] = (state, since)
        if now - since < self._settle_s:
            return False
        self._done[source] = state
        del self._seen[source]
        return True

    def _job(self, found: Found) -> Job:
        """Return the job of a file; its whole name is kept if another file has the short one."""
        target = self._naming.target(found)
        if self._owners.setdefault(target, found.source) != found.source:
            target = self._naming.target(found, whole_name=True)
        return Job(found.source, target)


def _is_same_folder(first: Path, second: Path) -> bool:
    return os.path.realpath(first) == os.path.realpath(second)


def _state(source: Source) -> _State | None:
    """Return the state of a file; None if it is gone."""
    try:
        stat = os.stat(str(source))  # noqa: PTH116 - a source can be a URL, which has no file
    except OSError:
        return None
    return _State(stat.st_size, stat.st_mtime_ns)
