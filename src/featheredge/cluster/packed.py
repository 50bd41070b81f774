"""Pictures packed in one file: members of a tar (as WebDataset writes it), rows of a Parquet file.

Names are listed first, which reads headers and single columns. The bytes of pictures are read
later, where they are processed: many members of a tar, or a row group of Parquet, with one read.
"""

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from featheredge.address import Address, Place, place
from featheredge.errors import FeatheredgeError, ImageError
from featheredge.extras import require
from featheredge.image import IMAGE_SUFFIXES
from featheredge.inputs import Found
from featheredge.url import Url, is_url

if TYPE_CHECKING:
    import pyarrow as pa

PACKED_SUFFIXES = frozenset([".tar", ".parquet"])

#: Names of columns, the most usual first; a column of another name is taken if it is the only one.
_NAME_COLUMNS = ("path", "image.path", "name", "filename", "file_name", "key", "__key__", "url")
_BYTES_COLUMNS = ("bytes", "image.bytes", "image", "content", "data")


@dataclass(frozen=True)
class TarMember(Address):
    """A picture in a tar file.

    Attributes:
        text: The tar's name, "/" and the member's name.
        container: The tar.
        start: The first byte of the picture in the tar.
        end: The byte after its last one.
    """

    container: Place
    start: int
    end: int


@dataclass(frozen=True)
class ParquetRow(Address):
    """A picture in a Parquet file.

    Attributes:
        text: The file's name, "/" and the row's name, or its number if it has none.
        container: The Parquet file.
        column: The column of bytes; a field of a struct as "image.bytes".
        row_group: The row group.
        row: The row in this row group.
    """

    container: Place
    column: str
    row_group: int
    row: int


Packed = TarMember | ParquetRow


def unpack(container: Place, folder: Path, *, allow_urls: bool = False) -> list[Found]:
    """List the pictures of a tar or Parquet file.

    Args:
        container: The file.
        folder: The file's folder, relative to the input folder.
        allow_urls: Whether paths in a Parquet file may be URLs.

    Raises:
        ImageError: It cannot be read, has no pictures, or a name in it leads out of its folder.
        MissingExtraError: pyarrow is not installed and the file is Parquet.
    """
    with _named(container):
        if container.suffix.lower() == ".tar":
            found = list(_tar_members(container, folder))
        else:
            found = list(_parquet_rows(container, folder, allow_urls))
    if not found:
        raise ImageError(f"{container}: it has no pictures ({' '.join(sorted(IMAGE_SUFFIXES))})")
    return found


def read_packed(sources: Sequence[Packed]) -> dict[Packed, bytes]:
    """Read pictures of one container with one read.

    Args:
        sources: Members of one tar, in its order, or rows of one row group.

    Raises:
        ImageError: The container cannot be read.
    """
    first = sources[0]
    with _named(first.container):
        if isinstance(first, ParquetRow):
            values = _column(first)
            return {each: values[each.row] for each in sources if isinstance(each, ParquetRow)}
        members = [each for each in sources if isinstance(each, TarMember)]
        start, end = first.start, max(each.end for each in members)
        content = _bytes(first.container, start, end)
        return {each: content[each.start - start : each.end - start] for each in members}


def _tar_members(tar: Place, folder: Path) -> Iterator[Found]:
    with _open(tar) as file, tarfile.open(fileobj=file, mode="r:") as members:
        for member in members:
            name = PurePosixPath(member.name)
            if not member.isreg() or member.issparse() or name.name.startswith("."):
                continue
            if name.suffix.lower() in IMAGE_SUFFIXES:
                where = folder / tar.stem / inside(name).parent
                end = member.offset_data + member.size
                text = f"{tar}/{member.name}"
                yield Found(TarMember(text, tar, member.offset_data, end), where)


def _parquet_rows(table: Place, folder: Path, allow_urls: bool) -> Iterator[Found]:
    """List the rows of a column of bytes or, if there is none, the files that paths name."""
    require("ray", "reading Parquet", "pyarrow")
    import pyarrow.parquet as pq

    with _open(table) as file, pq.ParquetFile(file) as parquet:
        schema = parquet.schema_arrow
        bytes_column = _choose(schema, "binary", _BYTES_COLUMNS)
        name_column = _choose(schema, "string", _NAME_COLUMNS)
        if bytes_column is None and name_column is None:
            raise ImageError(
                f"it has the columns {', '.join(schema.names)}; expected one column of bytes "
                f"({', '.join(_BYTES_COLUMNS)}) or of paths ({', '.join(_NAME_COLUMNS)})"
            )
        names = _names(parquet, name_column)
        if bytes_column is None:
            yield from _paths(table, [name for _, _, name in names if name], allow_urls)
            return
        for number, (row_group, row, name) in enumerate(names):
            label = PurePosixPath(name or f"{number:08}")
            where = folder / table.stem / inside(label).parent
            text = f"{table}/{label}"
            yield Found(ParquetRow(text, table, bytes_column, row_group, row), where)


def _names(parquet: Any, column: str | None) -> Iterator[tuple[int, int, str | None]]:
    """Yield row group, row and name of each row."""
    for row_group in range(parquet.num_row_groups):
        if column is None:
            names = [None] * parquet.metadata.row_group(row_group).num_rows
        else:
            table = parquet.read_row_group(row_group, columns=[column]).flatten()
            names = table.column(column).to_pylist()
        for row, name in enumerate(names):
            yield row_group, row, name


def _paths(table: Place, names: Sequence[str], allow_urls: bool) -> Iterator[Found]:
    """Yield the files that paths name, in folders below the deepest folder that all share."""
    sources = [_source(name, table, allow_urls) for name in names]
    parents = [PurePosixPath(str(source).lstrip("/")).parent.parts for source in sources]
    shared = len(_common(parents))
    for source, parts in zip(sources, parents, strict=True):
        yield Found(source, inside(PurePosixPath(*parts[shared:])))


def _common(names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the parts that all names begin with."""
    first, last = min(names, default=()), max(names, default=())
    different = (number for number, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(different, min(len(first), len(last)))]


def _source(name: str, table: Place, allow_urls: bool) -> Path | Address | Url:
    """Return the file that a path names; a relative one is in the folder of the table."""
    if is_url(name):
        if not allow_urls:
            raise ImageError(f"{name} is a URL; add --allow-urls")
        return Url(name)
    where = place(name)
    if isinstance(where, Address) or where.is_absolute():
        return where
    if isinstance(table, Address):
        return table.with_name(name)
    return table.parent / where


def _choose(schema: "pa.Schema", kind: str, usual: Sequence[str]) -> str | None:
    """Return the column of this kind with the most usual name, or the only one."""
    columns = [name for name, type in _leaves(schema) if kind in str(type)]
    named = [name for name in usual if name in columns]
    if named:
        return named[0]
    if len(columns) > 1 and kind == "binary":
        raise ImageError(
            f"its columns {', '.join(columns)} are bytes; name the one of pictures {usual[0]}"
        )
    return columns[0] if len(columns) == 1 else None


def _leaves(schema: "pa.Schema") -> Iterator[tuple[str, Any]]:
    """Yield name and type of each column, and of the fields of structs."""
    for column in schema:
        fields = [column.type.field(i) for i in range(column.type.num_fields)]
        if str(column.type).startswith("struct"):
            yield from ((f"{column.name}.{field.name}", field.type) for field in fields)
        elif not fields:
            yield column.name, column.type


def _column(row: ParquetRow) -> list[bytes]:
    """Read the bytes of a row group; a null is no bytes, which is no picture."""
    import pyarrow.parquet as pq

    with _open(row.container) as file, pq.ParquetFile(file) as parquet:
        table = parquet.read_row_group(row.row_group, columns=[row.column]).flatten()
        return [value or b"" for value in table.column(row.column).to_pylist()]


def inside(name: PurePosixPath) -> Path:
    """Return a name from a stranger as a path that stays inside the folder it is put in.

    Raises:
        ImageError: The name leads out of the folder.
    """
    if name.is_absolute() or ".." in name.parts or "\0" in str(name):
        raise ImageError(f"a picture is named {str(name)!r}, which leads out of its folder")
    return Path(name)


@contextmanager
def _named(container: Place) -> Iterator[None]:
    """Put the name of the container before the message of an error."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{container}: {error}") from error
    except FeatheredgeError:
        raise
    except Exception as error:  # readers and file systems have no common class of errors
        cause = getattr(error, "strerror", None) or error
        raise ImageError(f"{container}: cannot be read: {cause}") from error


def _open(container: Place) -> IO[bytes]:
    """Open a container; at an address, large blocks are read ahead."""
    if isinstance(container, Path):
        return container.open("rb")
    system, path = container.file_system()
    file: IO[bytes] = system.open(path, "rb")
    return file


def _bytes(container: Place, start: int, end: int) -> bytes:
    if isinstance(container, Address):
        return container.read_bytes(start, end)
    with container.open("rb") as file:
        file.seek(start)
        return file.read(end - start)
