"""The manifest: one row for each input, whatever is stopped and started again."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featheredge.address import Address, place
from featheredge.batch import Job
from featheredge.cluster import Manifest, Row
from featheredge.errors import OutputError


def table(folder) -> list[Row]:
    return [Row(**row) for row in pq.read_table(folder / "manifest.parquet").to_pylist()]


def row(folder, name: str, status="ok") -> Row:
    return Row(f"/in/{name}", f"{folder}/{name}", status, None, 1.5, "ab")


def job(folder, name: str) -> Job:
    return Job(place(f"/in/{name}"), folder / name)


@pytest.mark.parametrize("address", [None, "memory://bucket/maps"])
def test_a_killed_run_keeps_its_parts(tmp_path, address):
    folder = Address(address) if address else tmp_path
    killed = Manifest(folder)
    killed.add(row(folder, "a"))
    killed.add(row(folder, "b", "failed"))
    killed.flush()
    killed.add(row(folder, "c"))  # not flushed: lost, and its output is made again
    for name in "ac":
        (folder / name).write_bytes(b"")
    with Manifest(folder) as manifest:
        assert [manifest.has(job(folder, name)) for name in "abcd"] == [True, False, False, False]
        manifest.add(row(folder, "b"))
    with Manifest(folder) as manifest:
        assert not manifest.is_new
    import io

    rows = pq.read_table(io.BytesIO((folder / "manifest.parquet").read_bytes())).to_pylist()
    assert [(each["input"], each["status"]) for each in rows] == [("/in/a", "ok"), ("/in/b", "ok")]


def test_an_output_that_is_gone_is_made_again(tmp_path):
    with Manifest(tmp_path) as manifest:
        manifest.add(row(tmp_path, "a"))
    assert not Manifest(tmp_path).has(job(tmp_path, "a"))


def test_in_a_folder_without_a_manifest_outputs_are_kept(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").touch()
    manifest = Manifest(tmp_path)
    assert manifest.is_new
    assert manifest.has(job(tmp_path, "sub/a"))
    assert not manifest.has(job(tmp_path, "a"))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["ok", "failed"]),
            st.sampled_from(["", "flush", "kill", "end"]),
        )
    )
)
def test_the_last_written_row_of_each_input_counts(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("maps")
    manifest, expected, waiting = Manifest(folder), {}, {}
    for name, status, then in steps:
        manifest.add(row(folder, name, status))
        waiting[f"/in/{name}"] = status
        if then in ("flush", "end"):
            expected |= waiting
            waiting = {}
            manifest.flush() if then == "flush" else manifest.__exit__(None, None, None)
        if then in ("kill", "end"):
            waiting = {}
            manifest = Manifest(folder)
    manifest.__exit__(None, None, None)
    expected |= waiting
    found = table(folder) if expected else []
    assert {each.input: each.status for each in found} == expected
    assert len(found) == len(expected)
    assert not (folder / "manifest.parts").exists()


def test_another_table_is_no_manifest(tmp_path):
    table = pa.table({"input": ["a"], "score": [1.0]})
    pq.write_table(table, tmp_path / "manifest.parquet")
    with pytest.raises(OutputError, match="has the columns input, score, not input, output"):
        Manifest(tmp_path)


def test_a_damaged_manifest_is_named(tmp_path):
    (tmp_path / "manifest.parquet").write_text("nothing")
    with pytest.raises(OutputError, match=r"manifest.parquet: cannot be read.*remove it"):
        Manifest(tmp_path)


def test_a_run_that_is_killed_at_once_leaves_a_manifest(tmp_path):
    (tmp_path / "a").touch()
    killed = Manifest(tmp_path)
    killed.flush()
    assert not Manifest(tmp_path).has(job(tmp_path, "a"))


def test_what_a_killed_writer_leaves_is_removed(tmp_path):
    left = tmp_path / "sub" / ".a.png.0123abcd.png"
    left.parent.mkdir()
    left.touch()
    with Manifest(tmp_path):
        pass
    assert not left.exists()
