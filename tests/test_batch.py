"""What the inputs are, where outputs go, and that one bad file costs only itself."""

from pathlib import Path

import pytest

from featheredge.batch import Job, plan, run
from featheredge.errors import ImageError, OutputError


@pytest.fixture
def photos(tmp_path):
    """A folder with three images, a text and a subfolder with one image more."""
    (tmp_path / "deep").mkdir()
    for name in ("c.jpg", "a.PNG", "b.webp", "notes.txt", "deep/d.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def names(jobs: list[Job], root: Path) -> list[tuple[str, str]]:
    return [(str(job.source.relative_to(root)), str(job.output.relative_to(root))) for job in jobs]


def test_outputs_lie_beside_their_inputs(photos):
    jobs = plan([str(photos / "c.jpg"), str(photos / "deep" / "d.jpg")])
    assert names(jobs, photos) == [("c.jpg", "c_edges.png"), ("deep/d.jpg", "deep/d_edges.png")]


def test_folders_hold_their_images_sorted_and_keep_their_structure(photos):
    (photos / ".thumbnails").mkdir()
    (photos / ".thumbnails" / "c.jpg").touch()
    (photos / "deep" / "loop").symlink_to(photos)
    jobs = plan([str(photos)], photos / "out")
    expected = [("a.PNG", "out/a.png"), ("b.webp", "out/b.png"), ("c.jpg", "out/c.png")]
    assert names(jobs, photos) == [*expected, ("deep/d.jpg", "out/deep/d.png")]


def test_patterns_match_images_only(photos):
    assert names(plan([f"{photos}/?.[jw]*"]), photos) == [
        ("b.webp", "b_edges.png"),
        ("c.jpg", "c_edges.png"),
    ]
    every = plan([f"{photos}/**/*"], photos / "out")
    assert [job.output for job in every] == [
        photos / "out" / name for name in ("a.png", "b.png", "c.png", "deep/d.png")
    ]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(photos):
    (photos / "x[1].jpg").touch()
    assert names(plan([str(photos / "x[1].jpg")]), photos) == [("x[1].jpg", "x[1]_edges.png")]


def test_inputs_keep_their_order_and_are_read_once(photos):
    inputs = [photos / "c.jpg", photos, photos / "a.PNG"]
    jobs = plan([str(path) for path in inputs], photos / "out")
    assert [job.source.name for job in jobs] == ["c.jpg", "a.PNG", "b.webp", "d.jpg"]


def test_earlier_results_are_no_inputs_unless_named(photos):
    first = plan([str(photos)])
    for job in first:
        job.output.touch()
    assert plan([str(photos)]) == first
    named = plan([str(photos / "c_edges.png")])
    assert names(named, photos) == [("c_edges.png", "c_edges_edges.png")]
    assert [job.source for job in plan([str(photos)], photos / "out")] == [j.source for j in first]
    assert [job.source for job in plan([str(photos)], verb="cutout")] == [j.source for j in first]
    (photos / "lone_edges.png").touch()  # no input here would be written to this name
    assert photos / "lone_edges.png" in [job.source for job in plan([str(photos)])]


def test_one_input_may_name_its_output(photos):
    (job,) = plan([str(photos / "c.jpg")], photos / "edges.png")
    assert job.output == photos / "edges.png"
    (photos / "folder.png").mkdir()
    (job,) = plan([str(photos / "c.jpg")], photos / "folder.png")
    assert job.output == photos / "folder.png" / "c.png"


@pytest.mark.parametrize(
    ("inputs", "output", "cause"),
    [
        (["c.jpg", "b.webp"], "one.png", r"one\.png is one file but there are 2 inputs"),
        (["c.jpg"], "one.jpg", r"one\.jpg: outputs are PNG files"),
        (["c.jpg", "deep/c.jpg"], "out", r"c\.jpg and .*deep/c\.jpg would both be written"),
        (["shot.png"], ".", r"shot\.png is also an input"),
        (["shot.png"], "shot.png", r"shot\.png is also an input"),
        (["c.jpg"], "b.png", r"b\.png exists; give another name, or add -f"),
    ],
)
def test_what_would_overwrite_is_refused(photos, inputs, output, cause):
    (photos / "b.png").touch()
    with pytest.raises(OutputError, match=cause):
        plan([str(photos / name) for name in inputs], output and photos / output)


def test_nothing_found_is_an_error(photos):
    (photos / "none").mkdir()
    with pytest.raises(ImageError, match="none: the folder has no images"):
        plan([str(photos / "none")])
    with pytest.raises(ImageError, match="the pattern matches no images"):
        plan([f"{photos}/*.txt"])


def test_a_bad_file_costs_only_itself(photos):
    jobs = plan([str(photos)], photos / "out")

    def work(source: Path) -> bytes:
        if source.name == "b.webp":
            raise ImageError("b is bad")
        return source.read_bytes()

    results = list(run(jobs, work, force=False))
    assert [result.job for result in results] == jobs
    assert [result.error for result in results] == [None, "b is bad", None, None]
    assert (photos / "out" / "c.png").read_text() == "c.jpg"


def test_existing_outputs_are_skipped_without_force(photos):
    job = Job(photos / "c.jpg", photos / "c_edges.png")
    job.output.write_text("old")
    (result,) = run([job], Path.read_bytes, force=False)
    assert (result.skipped, result.error) == (True, None)
    assert job.output.read_text() == "old"
    (result,) = run([job], Path.read_bytes, force=True)
    assert (result.skipped, result.error) == (False, None)
    assert job.output.read_text() == "c.jpg"


def test_inputs_that_differ_in_their_suffix_keep_it(photos):
    (photos / "a.jpg").touch()
    for _ in range(2):  # results of the first run are no inputs of the second
        jobs = plan([str(photos)])
        assert names(jobs, photos)[:2] == [
            ("a.PNG", "a.PNG_edges.png"),
            ("a.jpg", "a.jpg_edges.png"),
        ]
        assert names(jobs, photos)[2:] == [
            ("b.webp", "b_edges.png"), ("c.jpg", "c_edges.png"), ("deep/d.jpg", "deep/d_edges.png")
        ]  # fmt: skip
        for job in jobs:
            job.output.touch()
    out = plan([str(photos)], photos / "out")
    assert [job.output.name for job in out[:3]] == ["a.PNG.png", "a.jpg.png", "b.png"]


def test_results_in_a_folder_inside_are_no_inputs(photos):
    first = plan([str(photos)], photos / "out")
    list(run(first, Path.read_bytes, force=False))
    assert plan([str(photos)], photos / "out") == first
    assert len(plan([str(photos / "deep")], photos)) == 1  # the folder above is not left out


def test_names_that_no_file_system_takes_cost_only_themselves(photos):
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    (photos / ("n" * 240 + ".jpg")).write_bytes(b"long")  # the output's name is too long
    inputs = [photos / ("m" * 300 + ".jpg"), photos / "loop.jpg", photos]
    jobs = plan(list(map(str, inputs)), photos / "out")

    def work(source: Path) -> bytes:
        try:
            return source.read_bytes()
        except OSError as error:
            raise ImageError(str(error.strerror)) from error

    errors = {result.job.source.name[0]: result.error for result in run(jobs, work, force=False)}
    assert "too long" in errors.pop("m")
    assert "symbolic links" in errors.pop("l")
    assert set(errors.values()) == {None}
    beside = plan([str(photos / ("n" * 240 + ".jpg"))])
    (result,) = run(beside, work, force=False)
    assert result.error is None
    longest = plan([str(photos / ("n" * 240 + ".jpg"))], photos / "p" / ("q" * 300))
    (result,) = run(longest, work, force=False)
    assert "cannot be written: File name too long" in result.error


def test_a_url_is_no_file():
    with pytest.raises(ImageError, match="is a URL; download"):
        plan(["https://example.org/photo.jpg"])


def test_an_output_that_cannot_be_written_costs_only_itself(photos):
    jobs = [Job(photos / "c.jpg", photos / "notes.txt" / "c.png"), *plan([str(photos / "c.jpg")])]
    results = list(run(jobs, Path.read_bytes, force=False))
    assert "notes.txt/c.png: cannot be written: " in results[0].error
    assert results[1].error is None


def test_results_come_one_by_one(photos):
    results = run(plan([str(photos)]), Path.read_bytes, force=False)
    next(results)
    assert len(list(photos.glob("*_edges.png"))) == 1
