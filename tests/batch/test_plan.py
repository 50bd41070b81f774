"""What the inputs are, and where outputs go."""

from pathlib import Path

import pytest

from featheredge.batch import Job, Naming, plan
from featheredge.errors import ArgumentError, ImageError, OutputError
from featheredge.url import Url


@pytest.fixture
def photos(tmp_path):
    """A folder with three images, a text and a subfolder with one image more."""
    (tmp_path / "deep").mkdir()
    for name in ("c.jpg", "a.PNG", "b.webp", "notes.txt", "deep/d.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def names(jobs: list[Job], root: Path) -> list[tuple[str, str]]:
    return [
        (str(job.source).removeprefix(f"{root}/"), str(job.output).removeprefix(f"{root}/"))
        for job in jobs
    ]


def planned(inputs, output=None, force=False, allow_urls=False, **naming) -> list[Job]:
    return plan(
        [str(text) for text in inputs], Naming(output, **naming), force=force, allow_urls=allow_urls
    )


def test_outputs_lie_beside_their_inputs(photos):
    jobs = planned([str(photos / "c.jpg"), str(photos / "deep" / "d.jpg")])
    assert names(jobs, photos) == [("c.jpg", "c_edges.png"), ("deep/d.jpg", "deep/d_edges.png")]


def test_folders_hold_their_images_sorted_and_keep_their_structure(photos):
    (photos / ".thumbnails").mkdir()
    (photos / ".thumbnails" / "c.jpg").touch()
    (photos / "deep" / "loop").symlink_to(photos)
    jobs = planned([str(photos)], photos / "out")
    expected = [("a.PNG", "out/a.png"), ("b.webp", "out/b.png"), ("c.jpg", "out/c.png")]
    assert names(jobs, photos) == [*expected, ("deep/d.jpg", "out/deep/d.png")]


def test_patterns_match_images_only(photos):
    assert names(planned([f"{photos}/?.[jw]*"]), photos) == [
        ("b.webp", "b_edges.png"),
        ("c.jpg", "c_edges.png"),
    ]
    every = planned([f"{photos}/**/*"], photos / "out")
    assert [job.output for job in every] == [
        photos / "out" / name for name in ("a.png", "b.png", "c.png", "deep/d.png")
    ]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(photos):
    (photos / "x[1].jpg").touch()
    assert names(planned([str(photos / "x[1].jpg")]), photos) == [("x[1].jpg", "x[1]_edges.png")]


def test_inputs_keep_their_order_and_are_read_once(photos):
    inputs = [photos / "c.jpg", photos, photos / "a.PNG"]
    jobs = planned([str(path) for path in inputs], photos / "out")
    assert [job.source.name for job in jobs] == ["c.jpg", "a.PNG", "b.webp", "d.jpg"]


def test_earlier_results_are_no_inputs_unless_named(photos):
    first = planned([str(photos)])
    for job in first:
        job.output.touch()
    assert planned([str(photos)]) == first
    named = planned([str(photos / "c_edges.png")])
    assert names(named, photos) == [("c_edges.png", "c_edges_edges.png")]
    assert [job.source for job in planned([str(photos)], photos / "out")] == [
        j.source for j in first
    ]
    assert [job.source for job in planned([str(photos)], verb="cutout")] == [
        j.source for j in first
    ]
    (photos / "lone_edges.png").touch()  # no input here would be written to this name
    assert photos / "lone_edges.png" in [job.source for job in planned([str(photos)])]


def test_one_input_may_name_its_output(photos):
    (job,) = planned([str(photos / "c.jpg")], photos / "edges.png")
    assert job.output == photos / "edges.png"
    (photos / "folder.png").mkdir()
    (job,) = planned([str(photos / "c.jpg")], photos / "folder.png")
    assert job.output == photos / "folder.png" / "c.png"


@pytest.mark.parametrize(
    ("inputs", "output", "cause"),
    [
        (["c.jpg", "b.webp"], "one.png", r"one\.png is one file but there are 2 inputs"),
        (["c.jpg"], "one.bmp", r"one\.bmp: outputs are png, webp, jpg, avif files"),
        (["c.jpg", "deep/c.jpg"], "out", r"c\.jpg and .*deep/c\.jpg would both be written"),
        (["shot.png"], ".", r"shot\.png is also an input"),
        (["shot.png"], "shot.png", r"shot\.png is also an input"),
        (["c.jpg"], "b.png", r"b\.png exists; give another name, or add -f"),
    ],
)
def test_what_would_overwrite_is_refused(photos, inputs, output, cause):
    (photos / "b.png").touch()
    with pytest.raises(OutputError, match=cause):
        planned([str(photos / name) for name in inputs], output and photos / output)


def test_nothing_found_is_an_error(photos):
    (photos / "none").mkdir()
    with pytest.raises(ImageError, match="none: the folder has no images"):
        planned([str(photos / "none")])
    with pytest.raises(ImageError, match="the pattern matches no images"):
        planned([f"{photos}/*.txt"])


def test_inputs_that_differ_in_their_suffix_keep_it(photos):
    (photos / "a.jpg").touch()
    for _ in range(2):  # results of the first run are no inputs of the second
        jobs = planned([str(photos)])
        assert names(jobs, photos)[:2] == [
            ("a.PNG", "a.PNG_edges.png"),
            ("a.jpg", "a.jpg_edges.png"),
        ]
        assert names(jobs, photos)[2:] == [
            ("b.webp", "b_edges.png"), ("c.jpg", "c_edges.png"), ("deep/d.jpg", "deep/d_edges.png")
        ]  # fmt: skip
        for job in jobs:
            job.output.touch()
    out = planned([str(photos)], photos / "out")
    assert [job.output.name for job in out[:3]] == ["a.PNG.png", "a.jpg.png", "b.png"]


def test_results_in_a_folder_inside_are_no_inputs(photos):
    first = planned([str(photos)], photos / "out")
    for job in first:
        job.output.parent.mkdir(exist_ok=True)
        job.output.touch()
    assert planned([str(photos)], photos / "out") == first
    assert len(planned([str(photos / "deep")], photos)) == 1  # the folder above is not left out


def test_a_url_is_no_file():
    with pytest.raises(ImageError, match="is a URL; download"):
        planned(["https://example.org/photo.jpg"])


def test_formats_and_suffixes_name_outputs_and_earlier_results(photos):
    jobs = planned([photos / "c.jpg"], suffix="_map", extension=".webp")
    assert names(jobs, photos) == [("c.jpg", "c_map.webp")]
    jobs[0].output.touch()
    assert len(planned([photos], suffix="_map", extension=".webp")) == 4
    assert len(planned([photos])) == 5, "another run cannot know this suffix"
    jobs = planned([photos / "c.jpg"], photos / "out", suffix="-e", extension=".avif")
    assert names(jobs, photos) == [("c.jpg", "out/c-e.avif")]
    (job,) = planned([photos / "c.jpg"], photos / "lines.svg", extension=".svg")
    assert job.output == photos / "lines.svg"


@pytest.mark.parametrize("suffix", ["", "a/b"])
def test_suffixes_that_cannot_be_used_are_refused(suffix):
    with pytest.raises(ArgumentError, match="-o FOLDER"):
        Naming(suffix=suffix)
    if suffix:
        with pytest.raises(ArgumentError, match="-o FOLDER"):
            Naming(Path("out"), suffix=suffix)


@pytest.mark.parametrize(
    ("url", "output"),
    [
        ("https://example.org/a/cat.jpg?size=9", "cat_edges.png"),
        ("https://example.org/", "image_edges.png"),
        ("http://example.org/%2e%2e%2fpasswd", "passwd_edges.png"),
        ("http://example.org/a%2Fb%3A.png", "b__edges.png"),
    ],
)
def test_allowed_urls_are_named_by_their_last_part(url, output):
    assert planned([url], allow_urls=True) == [Job(Url(url), Path(output))]
