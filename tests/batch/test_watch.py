"""Watched folders, with real files: found when complete, once, and again when they change."""

import shutil

import pytest

from featheredge.batch import Naming, Watcher, watch
from featheredge.errors import ArgumentError, OutputError


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def sources(watcher: Watcher) -> list[str]:
    return [job.source.name for job in watcher.ready()]


def test_a_file_is_found_once_when_it_no_longer_grows(folder, clock):
    watcher = Watcher([str(folder)], Naming(folder / "out"))
    assert watcher.ready() == []
    with (folder / "a.jpg").open("wb") as file:
        for _ in range(5):  # a slow writer
            file.write(b"part")
            file.flush()
            assert watcher.ready() == []
            clock(0.5)
    assert watcher.ready() == []
    clock(1.0)
    assert sources(watcher) == ["a.jpg"]
    clock(9.0)
    assert watcher.ready() == []


def test_a_file_under_a_hidden_name_waits_until_it_is_renamed(folder, clock):
    watcher = Watcher([str(folder)], Naming(folder / "out"))
    part = folder / ".a.jpg.part"
    part.write_bytes(b"whole")
    watcher.ready()
    clock(9.0)
    assert watcher.ready() == []
    part.rename(folder / "a.jpg")
    watcher.ready()
    clock(1.0)
    assert sources(watcher) == ["a.jpg"]


def test_empty_files_are_not_complete(folder, clock):
    watcher = Watcher([str(folder)], Naming(folder / "out"))
    (folder / "a.jpg").touch()
    watcher.ready()
    clock(9.0)
    assert watcher.ready() == []


def test_a_file_that_changes_is_found_again(folder, clock):
    watcher = Watcher([str(folder)], Naming(folder / "out"))
    path = folder / "a.jpg"
    for content in (b"first", b"second version"):
        path.write_bytes(content)
        watcher.ready()
        clock(1.0)
        assert sources(watcher) == ["a.jpg"]
    path.unlink()
    clock(1.0)
    assert watcher.ready() == []


def test_new_sub_folders_and_patterns_are_watched(folder, clock):
    watcher = Watcher([f"{folder}/**/*.jpg"], Naming(folder / "out"))
    (folder / "new" / "deep").mkdir(parents=True)
    (folder / "new" / "deep" / "a.jpg").write_bytes(b"a")
    (folder / "b.png").write_bytes(b"b")
    watcher.ready()
    clock(1.0)
    (job,) = watcher.ready()
    assert job.output == folder / "out" / "new" / "deep" / "a.png"


def test_results_beside_inputs_are_no_inputs(folder, clock):
    watcher = Watcher([str(folder)], Naming())
    (folder / "a.jpg").write_bytes(b"a")
    watcher.ready()
    clock(1.0)
    (job,) = watcher.ready()
    job.output.write_bytes(b"map")
    watcher.ready()
    clock(1.0)
    assert watcher.ready() == []


def test_a_second_file_with_the_same_stem_keeps_its_suffix(folder, clock):
    watcher = Watcher([str(folder)], Naming())
    outputs = []
    for name in ("a.jpg", "a.png"):
        (folder / name).write_bytes(b"a")
        watcher.ready()
        clock(1.0)
        outputs += [job.output.name for job in watcher.ready()]
    assert outputs == ["a_edges.png", "a.png_edges.png"]


@pytest.mark.parametrize(
    ("inputs", "output", "cause"),
    [
        (["photo.jpg"], None, "photo.jpg is not a folder or pattern"),
        (["https://example.org/a.jpg"], None, "is not a folder or pattern"),
        (["in"], "in", "is watched, so outputs there would be inputs"),
        (["in/*.jpg"], "in", "is watched, so outputs there would be inputs"),
        (["in"], "map.png", "is one file; with --watch, give a folder"),
    ],
)
def test_what_cannot_be_watched_is_refused(folder, monkeypatch, inputs, output, cause):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(ArgumentError, match=cause):
        Watcher(inputs, Naming(output and folder.parent / output))


def test_an_output_that_is_also_an_input_is_an_error(folder, clock):
    (folder / "in").mkdir()
    shutil.copy(__file__, folder / "in" / "a.png")
    (folder / "in" / "in").mkdir()
    shutil.copy(__file__, folder / "in" / "in" / "a.jpg")
    watcher = Watcher([str(folder / "in")], Naming(folder))
    watcher.ready()
    clock(1.0)
    with pytest.raises(OutputError, match=r"a\.png is also an input"):
        watcher.ready()
