"""Inputs of a cluster: what is listed, and what the outputs are named."""

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featheredge.address import Address, is_address, place
from featheredge.batch import Naming, name_outputs
from featheredge.cluster import find
from featheredge.cluster.packed import ParquetRow, TarMember, read_packed
from featheredge.cluster.run import units
from featheredge.errors import ImageError, OutputError

OUT = Path("/out")


def outputs(*inputs: object, output=OUT, **options) -> dict[str, str]:
    """Return input -> output, relative to the output folder."""
    found = find([str(text) for text in inputs], output, **options)
    jobs = name_outputs(found, Naming(output))
    return {str(job.source): str(job.output).removeprefix(f"{output}/") for job in jobs}


def write_tar(path, members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    path.write_bytes(file.getvalue())
    return file.getvalue()


def write_parquet(path, columns: dict[str, object], **options) -> None:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    path.write_bytes(file.getvalue())


@pytest.fixture(params=["disk", "address"])
def folder(request, tmp_path):
    """An empty folder, on the disk or at an address."""
    if request.param == "disk":
        yield tmp_path / "in"
        return
    import fsspec

    yield Address("memory://bucket/in")
    fsspec.filesystem("memory").store.clear()


def write(file, content: bytes = b"x") -> None:
    if isinstance(file, Path):
        file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def prefix(folder) -> str:
    return str(folder) if isinstance(folder, Path) else "memory:///bucket/in"


def test_folders_and_patterns(folder):
    for name in ("b.jpg", "a.png", "sub/b.jpg", "sub/notes.txt", ".hidden/c.jpg", "out/d.png"):
        write(folder / name)
    expected = {"a.png": "a.png", "b.jpg": "b.png", "sub/b.jpg": "sub/b.png"}
    listed = outputs(folder, output=place(f"{prefix(folder)}/out"))
    assert listed == {f"{prefix(folder)}/{name}": out for name, out in expected.items()}
    assert outputs(folder / "*.jpg") == {f"{prefix(folder)}/b.jpg": "b.png"}
    assert outputs(folder / "sub" / "*.jpg") == {f"{prefix(folder)}/sub/b.jpg": "b.png"}
    assert outputs(folder / "b.jpg", folder / "b.jpg") == {f"{prefix(folder)}/b.jpg": "b.png"}
    with pytest.raises(ImageError, match="no"):
        outputs(folder / "nothing*.jpg")


def test_names_that_differ_in_the_suffix_keep_it(folder):
    write(folder / "a.jpg")
    write(folder / "a.png")
    assert set(outputs(folder).values()) == {"a.jpg.png", "a.png.png"}


def test_members_of_a_tar(folder):
    members = {"cats/1.jpg": b"one", "cats/1.json": b"{}", "2.png": b"two" * 999, "._3.png": b"-"}
    write(folder / "notes.txt")
    write_tar(folder / "train-0.tar", members)
    assert outputs(folder) == {
        f"{prefix(folder)}/train-0.tar/cats/1.jpg": "train-0/cats/1.png",
        f"{prefix(folder)}/train-0.tar/2.png": "train-0/2.png",
    }
    sources = [each.source for each in find([str(folder)], OUT)]
    assert all(isinstance(source, TarMember) for source in sources)
    assert list(read_packed(sources).values()) == [b"one", b"two" * 999]


def test_rows_of_a_parquet_file(folder):
    write(folder / "notes.txt")
    columns = {
        "path": ["x/1.jpg", None, "3.jpg"],
        "image": [{"bytes": b"a"}, {"bytes": b"b"}, None],
    }
    write_parquet(folder / "t.parquet", columns, row_group_size=2)
    assert outputs(folder) == {
        f"{prefix(folder)}/t.parquet/x/1.jpg": "t/x/1.png",
        f"{prefix(folder)}/t.parquet/00000001": "t/00000001.png",
        f"{prefix(folder)}/t.parquet/3.jpg": "t/3.png",
    }
    sources = [each.source for each in find([str(folder)], OUT)]
    assert all(isinstance(source, ParquetRow) for source in sources)
    assert list(read_packed(sources[:2]).values()) == [b"a", b"b"]
    assert list(read_packed(sources[2:]).values()) == [b""]


def test_paths_in_a_parquet_file(folder):
    write(folder / "notes.txt")
    paths = ["a/1.jpg", "b/1.jpg", None]
    write_parquet(folder / "list.parquet", {"id": [1, 2, 3], "path": paths})
    expected = {f"{prefix(folder)}/{name}.jpg": f"{name}.png" for name in ("a/1", "b/1")}
    assert outputs(folder / "list.parquet") == expected
    absolute = ["/data/a/1.jpg", "s3://bucket/2.jpg"]
    write_parquet(folder / "list.parquet", {"path": absolute})
    assert outputs(folder / "list.parquet") == {
        "/data/a/1.jpg": "data/a/1.png",
        "s3://bucket/2.jpg": "s3:/bucket/2.png",
    }
    write_parquet(folder / "list.parquet", {"url": ["https://example.org/1.jpg"]})
    with pytest.raises(ImageError, match="add --allow-urls"):
        outputs(folder / "list.parquet")
    assert set(outputs(folder / "list.parquet", allow_urls=True).values()) == {"1.png"}


@pytest.mark.parametrize("name", ["../1.jpg", "/etc/1.jpg", "a/../../1.jpg"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    write_tar(tmp_path / "x.tar", {name: b""})
    write_parquet(tmp_path / "y.parquet", {"path": [name], "bytes": [b""]})
    for file in ("x.tar", "y.parquet"):
        with pytest.raises(ImageError, match=f"{file}.*leads out of its folder"):
            outputs(tmp_path / file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tar", b"no tar", "cannot be read"),
        ("x.parquet", b"no table", "cannot be read"),
        ("missing.tar", None, "No such file"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=rf"{name}: .*{message}"):
        outputs(tmp_path / name)


def test_columns_that_are_unclear_are_listed(tmp_path):
    write_parquet(tmp_path / "x.parquet", {"left": [b""], "right": [b""]})
    with pytest.raises(ImageError, match="left, right are bytes; name the one of pictures bytes"):
        outputs(tmp_path / "x.parquet")
    write_parquet(tmp_path / "x.parquet", {"width": [1]})
    with pytest.raises(ImageError, match="it has the columns width; expected"):
        outputs(tmp_path / "x.parquet")


def test_equal_names_in_a_packed_file_are_refused(tmp_path):
    write_parquet(tmp_path / "x.parquet", {"path": ["1.jpg"] * 2, "bytes": [b"a", b"b"]})
    with pytest.raises(OutputError, match="would both be written"):
        outputs(tmp_path / "x.parquet")


def test_units_are_read_from_one_place(tmp_path):
    for name in ("a", "b"):
        write_tar(tmp_path / f"{name}.tar", {f"{number}.jpg": b"x" for number in range(5)})
    rows = {"bytes": [b"x"] * 7}
    write_parquet(tmp_path / "c.parquet", rows, row_group_size=4)
    for number in range(4):
        (tmp_path / f"{number}.jpg").touch()
    jobs = name_outputs(find([str(tmp_path)], OUT), Naming(OUT))
    sizes = [len(unit) for unit in units(jobs, 3)]
    assert sizes == [3, 1, 3, 2, 3, 2, 4, 3]
    assert [job for unit in units(jobs, 3) for job in unit] == jobs


def test_addresses():
    assert is_address("s3://b/x")
    assert is_address("gs://b")
    assert not any(map(is_address, ("https://x.y/z", "C:\\x", "a/b")))
    assert place("file:///a/b.jpg") == Path("/a/b.jpg")
    file = Address("s3://b/a/hill.large.jpg")
    assert (file.name, file.stem, file.suffix) == ("hill.large.jpg", "hill.large", ".jpg")
    assert file.with_name("x.png") == Address("s3://b/a/x.png")
    assert Address("s3://b/") / Path() / Path("a/c") / "d.png" == Address("s3://b/a/c/d.png")
    with pytest.raises(OSError, match="nowhere"):
        Address("nowhere://x").read_bytes()


def test_relative_names_become_absolute(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").touch()
    monkeypatch.chdir(tmp_path)
    assert list(outputs("a.jpg", f"../{tmp_path.name}/a.jpg")) == [f"{tmp_path}/a.jpg"]
