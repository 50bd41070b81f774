"""The manifest of a run: a Parquet table with one row for each input.

Rows are written as they come, to small parts in the folder `manifest.parts`; at the end they are
folded into `manifest.parquet`, and so they are at the start of the next run if a run was killed.
Columns: input, output, status ("ok", "failed" or "skipped": its output existed), error, ms (time
from reading to writing), sha256 (of the output file).
"""

import io
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from featheredge.address import Place
from featheredge.batch import Job
from featheredge.errors import OutputError
from featheredge.files import sweep, write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_PART = re.compile(r"manifest\.parts/\d{8}\.parquet")
_FLUSH_S = 2.0
_FLUSH_SHARE = 0.01  # of the time since the start, so that long runs have few hundred parts


class Row(NamedTuple):
    """One input.

    Attributes:
        input: Its absolute path or address.
        output: Its output file.
        status: "ok", "failed" or "skipped".
        error: The message if it failed.
        ms: Milliseconds from reading to writing; None if it was not processed.
        sha256: The digest of the output file in hexadecimal; None if it was not written.
    """

    input: str
    output: str
    status: Literal["ok", "failed", "skipped"]
    error: str | None = None
    ms: float | None = None
    sha256: str | None = None


class Manifest:
    """The manifest in an output folder; a context manager that folds it at the end.

    Attributes:
        path: The table.
        is_new: Whether the folder had no manifest.
    """

    def __init__(self, folder: Place) -> None:
        """Open the manifest of a folder and fold what an earlier run left.

        Raises:
            OutputError: The folder cannot be read or written, or has a damaged manifest.
        """
        self._folder = folder
        self.path = folder / "manifest.parquet"
        self._parts = folder / "manifest.parts"
        self._rows: list[Row] = []
        self._started = self._flushed = time.monotonic()
        names = _names_in(folder)
        self._left = sorted(name.rpartition("/")[2] for name in names if _PART.fullmatch(name))
        self._has_table = self.path.name in names
        self.is_new = not (self._left or self._has_table)
        self._existing = {str(folder / name) for name in names}
        self._fold()
        self._done = set() if self.is_new else _done(_read(self.path))

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()
        self._fold()
        if isinstance(self._folder, Path):
            sweep(self._folder)  # what killed workers left

    def has(self, job: Job) -> bool:
        """Return whether a job was done before this run, and its output is still there.

        In a folder without a manifest, an output that exists is enough. In one with a manifest,
        an output without a row is of a run that was killed before it wrote the row.
        """
        listed = self.is_new or str(job.source) in self._done
        return listed and str(job.output) in self._existing

    def add(self, row: Row) -> None:
        """Add a row; it is on the disk within seconds."""
        self._rows.append(row)
        now = time.monotonic()
        if now - self._flushed > max(_FLUSH_S, _FLUSH_SHARE * (now - self._started)):
            self.flush()

    def flush(self) -> None:
        """Write the rows that came since the last flush, also if there are none.

        The first part says that outputs without a row are of this run, not of another origin.
        """
        number = int(self._left[-1].partition(".")[0]) + 1 if self._left else 0
        name = f"{number:08}.parquet"
        _write(self._parts / name, _table(self._rows))
        self._left.append(name)
        self._rows = []
        self._flushed = time.monotonic()

    def _fold(self) -> None:
        """Write one table of all rows, the last of each input, and remove the parts."""
        if not self._left:
            return
        import pyarrow as pa

        tables = [_read(self._parts / name) for name in self._left]
        if self._has_table:
            tables.insert(0, _read(self.path))
        table = pa.concat_tables(tables)
        last = {name: number for number, name in enumerate(table.column("input").to_pylist())}
        _write(self.path, table.take(pa.array(last.values(), pa.int64())).sort_by("input"))
        self._has_table = True
        _remove(self._parts)
        self._left = []


def _names_in(folder: Place) -> set[str]:
    """Return the names of all files below a folder, relative to it; none if it does not exist.

    Raises:
        OutputError: The folder cannot be listed.
    """
    try:
        if isinstance(folder, Path):
            return {file.relative_to(folder).as_posix() for file in folder.rglob("*")}
        system, path = folder.file_system()
        system.invalidate_cache()
        start = f"{path.rstrip('/')}/"
        return {name.removeprefix(start) for name in system.find(path)}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be listed: {error.strerror or error}") from error


def _remove(folder: Place) -> None:
    """Remove a folder."""
    if isinstance(folder, Path):
        import shutil

        shutil.rmtree(folder)
    else:
        system, path = folder.file_system()
        system.rm(path, recursive=True)


def _done(table: "pa.Table") -> set[str]:
    columns = table.select(["input", "status"]).to_pydict()
    rows = zip(columns["input"], columns["status"], strict=True)
    return {name for name, status in rows if status != "failed"}


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema({name: pa.float64() if name == "ms" else pa.string() for name in Row._fields})


def _table(rows: list[Row]) -> "pa.Table":
    import pyarrow as pa

    return pa.Table.from_pylist([row._asdict() for row in rows], _schema())


def _read(path: Place) -> "pa.Table":
    """Read a table and check its columns and values.

    Raises:
        OutputError: The file cannot be read, or is no manifest.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        columns, expected = (", ".join(names) for names in (table.column_names, Row._fields))
        if columns != expected:
            raise pa.ArrowInvalid(f"it has the columns {columns}, not {expected}")
        table = table.cast(_schema())
        table.validate(full=True)
        return table
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise OutputError(
            f"{path}: cannot be read: {error}; remove it, and add -f if outputs exist"
        ) from error


def _write(path: Place, table: "pa.Table") -> None:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(table, file)
    try:
        write_bytes(path, file.getvalue())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
