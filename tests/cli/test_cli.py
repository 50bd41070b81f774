"""The command line as users meet it: files written, lines printed, exit codes."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, features

from conftest import toy_map
from featheredge import catalog, cli, nms
from featheredge.compose import cutout, subject_mask
from featheredge.png import quantise
from featheredge.session import Session


@pytest.fixture
def photo(tmp_path, noise):
    path = tmp_path / "photo.png"
    Image.fromarray(noise(21, 34)).save(path)
    return path


@pytest.fixture
def featheredge(monkeypatch, capsys):
    """Run a command in this process; gives exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["featheredge", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        code = caught.value.code
        if isinstance(code, str):  # what the interpreter does with a message on exit
            sys.stderr.write(code + "\n")
            code = 1
        return code or 0, *capsys.readouterr()

    return run


def read(path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_edges_beside_the_input(featheredge, photo, toy_onnx):
    code, out, err = featheredge("edges", photo, "-m", toy_onnx)
    written = photo.with_name("photo_edges.png")
    assert (code, err) == (0, "")
    assert out.startswith(f"{photo} -> {written} (")
    expected = toy_map(np.asarray(Image.open(photo))) * 255
    assert np.abs(read(written) - expected).max() <= 0.51


def test_thin_and_threshold(featheredge, photo, toy_onnx, tmp_path):
    map = toy_map(np.asarray(Image.open(photo))).astype(np.float32)
    flags = {"cut": ["--threshold", 0.5], "thin": ["--as", "thin"]}
    flags["both"] = flags["thin"] + flags["cut"]
    for name, arguments in flags.items():
        output = tmp_path / f"{name}.png"
        assert featheredge("edges", photo, "-m", toy_onnx, "-o", output, *arguments)[0] == 0
    thin = nms.suppress(map)
    assert np.abs(read(tmp_path / "thin.png").astype(int) - quantise(thin)).max() <= 1
    np.testing.assert_array_equal(read(tmp_path / "cut.png"), (map >= 0.5) * 255)
    np.testing.assert_array_equal(read(tmp_path / "both.png"), (thin >= 0.5) * 255)


def test_a_bad_file_is_reported_and_counted(featheredge, photo, toy_onnx, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    inputs = [bad, photo, tmp_path / "missing.png"]
    code, out, err = featheredge("edges", *inputs, "-m", toy_onnx, "-o", tmp_path / "out", "-v")
    assert code == 1
    assert out.count("->") == 1
    assert err.splitlines() == [
        f"featheredge: {bad}: not an image, or its format is not supported",
        f"featheredge: {tmp_path / 'missing.png'}: No such file or directory",
        "featheredge: 1 written, 2 failed",
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.png"]


def test_what_exists_is_skipped_and_counted(featheredge, photo, toy_onnx, tmp_path):
    assert featheredge("edges", photo, "-m", toy_onnx)[0] == 0
    code, out, err = featheredge("edges", photo, "-m", toy_onnx)
    assert (code, out) == (0, "")
    assert (
        err == f"featheredge: 1 skipped, {tmp_path}/photo_edges.png exists; add -f to replace it\n"
    )
    Image.new("RGB", (9, 9)).save(tmp_path / "second.png")
    code, out, err = featheredge("edges", tmp_path, "-m", toy_onnx, "-v")
    assert (code, out.count("->")) == (0, 1)
    assert "1 skipped" in err
    code, out, _ = featheredge("edges", tmp_path, "-m", toy_onnx, "--json")
    assert (code, len(json.loads(out)["skipped"])) == (0, 2)
    code, out, err = featheredge("edges", tmp_path, "-m", toy_onnx, "--resume", "-v")
    assert (code, out.count("->"), "2 skipped" in err) == (0, 0, True)
    code, out, err = featheredge("edges", tmp_path, "-m", toy_onnx, "-f", "-v")
    assert (code, out.count("->"), err) == (0, 2, "")


def test_an_output_that_is_named_is_an_error_if_it_exists(featheredge, photo, toy_onnx, tmp_path):
    named = ("edges", photo, "-m", toy_onnx, "-o", tmp_path / "map.png")
    assert featheredge(*named)[0] == 0
    code, _, err = featheredge(*named)
    assert code == 1
    assert "map.png exists; give another name, or add -f to replace it" in err
    assert featheredge(*named, "-f")[0] == 0


def test_sub_folders_are_entered_and_kept(featheredge, photo, toy_onnx, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    photo.rename(tmp_path / "in" / "deep" / "photo.png")
    command = ("edges", tmp_path / "in", "-m", toy_onnx, "-o", tmp_path / "out")
    assert featheredge(*command)[0] == 0
    assert (tmp_path / "out" / "deep" / "photo.png").is_file()


def test_json_is_one_object(featheredge, photo, toy_onnx, tmp_path):
    missing = tmp_path / "missing.png"
    code, out, _ = featheredge("edges", photo, missing, "-m", toy_onnx, "--json")
    report = json.loads(out)
    assert code == 1
    assert report["model"] == "toy"
    (written,), (failed,) = report["written"], report["failed"]
    assert written["input"] == str(photo)
    assert written["output"].endswith("photo_edges.png")
    assert written["seconds"] > 0
    assert failed["input"] == str(missing)
    assert "No such file" in failed["error"]


def test_pixel_limit(featheredge, photo, toy_onnx):
    code, _, err = featheredge("edges", photo, "-m", toy_onnx, "--max-megapixels", 0.0001)
    assert code == 1
    assert "34x21 is 0.000714 megapixels, over the limit of 0.0001" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "nothing"], "featheredge: unknown model 'nothing'"),
        (["-m", "toy", "--provider", "quantum"], "featheredge: provider 'quantum' is not ava"),
        (["-m", "toy", "-o", "map.bmp"], "featheredge: map.bmp: outputs are png, webp"),
        (["-", "-m", "toy"], "featheredge: - reads one image"),
    ],
)
def test_what_cannot_be_done_is_one_line(featheredge, photo, entry, arguments, message):
    code, out, err = featheredge("edges", photo, *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [["edges"], ["edges", "a.png", "--threshold", "2"], ["edges", "a.png", "--threads", "0"],
     ["edges", "a.png", "--thn"], ["edgs", "a.png"], ["edges", "a.png", "--threshold", "0"],
     ["cutout", "a.png", "--threshold", "0"], ["saliency", "a.png", "--threshold", "0"],
     ["cutout", "a.png", "--margin", "-1"]],
)  # fmt: skip
def test_wrong_usage_exits_with_2(featheredge, arguments):
    code, out, err = featheredge(*arguments)
    assert (code, out) == (2, "")
    assert "Error" in err


@pytest.mark.parametrize(
    ("verb", "option", "meant"),
    [
        ("edges", "--thresh", "Did you mean --threshold?"),
        ("saliency", "--thread=2", "Did you mean --threads?"),
        ("cutout", "--qqq", "For a file of this name, type ./--qqq"),
    ],
)
def test_unknown_options_get_the_nearest(featheredge, verb, option, meant):
    code, _, err = featheredge(verb, "a.png", option, "0.5")
    assert code == 2
    text = " ".join(err.replace("│", " ").split())
    assert f"Unknown option: {option}. {meant}" in text


@pytest.fixture
def bright_photo(tmp_path):
    """A bright rectangle on black."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:40, 24:56] = 255
    path = tmp_path / "bright.png"
    Image.fromarray(image).save(path)
    return path


def test_saliency_beside_the_input(featheredge, bright_photo, toy_saliency_onnx, tmp_path):
    code, out, err = featheredge("saliency", bright_photo, "-m", toy_saliency_onnx)
    written = bright_photo.with_name("bright_saliency.png")
    assert (code, err) == (0, "")
    assert out.startswith(f"{bright_photo} -> {written} (")
    map = Session(toy_saliency_onnx)(bright_photo)
    np.testing.assert_array_equal(read(written), quantise(map))
    for name, flags in {"cut": ["--threshold", 0.4], "crisp": ["--as", "mask"]}.items():
        output = tmp_path / f"{name}.png"
        command = ["saliency", bright_photo, "-m", toy_saliency_onnx, "-o", output, *flags]
        assert featheredge(*command)[0] == 0
    np.testing.assert_array_equal(read(tmp_path / "cut.png"), (map >= 0.4) * 255)
    mask = subject_mask(np.asarray(Image.open(bright_photo)), map)
    np.testing.assert_array_equal(read(tmp_path / "crisp.png"), quantise(mask))


def test_one_threshold_draws_the_same_border_everywhere(
    featheredge, toy_saliency_onnx, tmp_path, noise
):
    """The black and white mask is what cutout makes more opaque than half."""
    smooth = Image.fromarray(noise(6, 8)).resize((80, 60), Image.Resampling.BICUBIC)
    photo = tmp_path / "smooth.png"
    smooth.save(photo)
    flags = ["-m", toy_saliency_onnx, "--threshold", 0.4]
    featheredge("saliency", photo, "--as", "mask", *flags, "-o", tmp_path / "mask.png")
    featheredge("cutout", photo, *flags, "-o", tmp_path / "cut.png")
    opaque = np.asarray(Image.open(tmp_path / "cut.png"))[..., 3]
    mask = read(tmp_path / "mask.png")
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(mask[opaque > 130], 255)
    np.testing.assert_array_equal(mask[opaque < 125], 0)


def test_cutout_beside_the_input(featheredge, bright_photo, toy_saliency_onnx, tmp_path):
    code, out, err = featheredge("cutout", bright_photo, "-m", toy_saliency_onnx)
    written = bright_photo.with_name("bright_cutout.png")
    assert (code, err) == (0, "")
    assert out.startswith(f"{bright_photo} -> {written} (")
    expected = cutout(bright_photo, model=toy_saliency_onnx)
    np.testing.assert_array_equal(np.asarray(Image.open(written)), np.asarray(expected))
    flags = ["--background", "lime", "--crop", "--margin", 0.1, "--threshold", 0.4]
    output = tmp_path / "cropped.png"
    assert (
        featheredge("cutout", bright_photo, "-m", toy_saliency_onnx, "-o", output, *flags)[0] == 0
    )
    arguments = {"background": "lime", "crop": True, "margin": 0.1, "threshold": 0.4}
    expected = cutout(bright_photo, model=toy_saliency_onnx, **arguments)
    assert expected.mode == "RGB"
    assert expected.size < (80, 60)
    np.testing.assert_array_equal(np.asarray(Image.open(output)), np.asarray(expected))


def test_a_picture_without_an_object_costs_only_itself(
    featheredge, bright_photo, toy_saliency_onnx, tmp_path
):
    night = tmp_path / "night.png"
    Image.new("RGB", (30, 20)).save(night)
    command = ["cutout", night, bright_photo, "-m", toy_saliency_onnx]
    code, out, err = featheredge(*command, "-o", tmp_path / "out", "-v")
    assert (code, out.count("->")) == (1, 1)
    assert err.splitlines()[0].startswith(f"featheredge: {night}: no salient object: the map's hig")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bright.png"]
    code, out, _ = featheredge(*command, "--json")
    report = json.loads(out)
    assert (code, report["model"]) == (1, "bright")
    assert "no salient object" in report["failed"][0]["error"]
    assert report["written"][0]["output"].endswith("bright_cutout.png")


def test_a_verb_refuses_a_network_for_another(featheredge, photo, toy_onnx, toy_saliency_onnx):
    for verb, model in {"edges": toy_saliency_onnx, "cutout": toy_onnx}.items():
        code, out, err = featheredge(verb, photo, "-m", model)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "is a network for" in err


def test_a_cutout_through_a_pipe(bright_photo, toy_saliency_onnx):
    command = [sys.executable, "-m", "featheredge", "cutout", "-", "-m", str(toy_saliency_onnx)]
    done = subprocess.run(command, input=bright_photo.read_bytes(), capture_output=True, check=True)
    expected = cutout(bright_photo, model=toy_saliency_onnx)
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(done.stdout))), np.asarray(expected)
    )


def test_a_pipe_is_no_terminal(featheredge, toy_onnx, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, err = featheredge("edges", "-", "-m", toy_onnx)
    assert (code, out) == (1, "")
    assert "featheredge edges - < photo.jpg > edges.png" in err


def test_a_pipe_reads_and_writes_one_image(photo, toy_onnx):
    command = [sys.executable, "-m", "featheredge", "edges", "-", "-m", str(toy_onnx)]
    done = subprocess.run(command, input=photo.read_bytes(), capture_output=True, check=True)
    expected = toy_map(np.asarray(Image.open(photo))) * 255
    assert np.abs(read(io.BytesIO(done.stdout)) - expected).max() <= 0.51


@pytest.fixture
def two_entries(entry, monkeypatch):
    """A catalog of the toy network under two names."""
    scores = tuple(
        catalog.Score(name, value, "BSDS500 test", "maxDist 0.0075")
        for name, value in (("ODS", 0.5), ("AP", 0.25))
    )
    research = "LicenseRef-research: for research only"
    first = replace(entry, scores=scores, notes="a toy")
    second = replace(entry, name="toy-two", licence=research)
    monkeypatch.setattr(catalog, "ENTRIES", (first, second))
    return first, second


def test_models_prints_a_table(featheredge, two_entries):
    code, out, _ = featheredge("models")
    assert code == 0
    header, first, second, blank, *_ = out.splitlines()
    assert header.split() == ["name", "task", "size", "score", "licence"]
    assert re.match(r"\*  toy +edges +0\.00 MB +ODS 0\.500 on BSDS500 test +Apache-2\.0$", first)
    assert second.split() == ["toy-two", "edges", "0.00", "MB", "research", "only"]
    assert (blank, "maxDist" in out) == ("", False)
    code, out, _ = featheredge("models", "toy-*", "--time")
    assert code == 0
    assert re.search(r"time +score", out)
    assert re.search(r"toy-two +edges +0\.00 MB +\d+ ms", out)
    assert "one thread of" in out


def test_models_says_where_a_file_is(featheredge, two_entries, toy_onnx):
    assert featheredge("models", "--path", "toy-two")[:2] == (0, f"{toy_onnx}\n")


def test_models_says_every_fact_of_one(featheredge, two_entries):
    entry = two_entries[0]
    code, out, _ = featheredge("models", "toy")
    assert code == 0
    assert out.count("maxDist") == 1
    for fact in (
        "toy",
        "edges",
        "Apache-2.0",
        "nobody",
        "ODS 0.500, AP 0.250",
        "BSDS500 test",
        "0.0075",
        "a toy",
    ):
        assert fact in out
    facts, other = json.loads(featheredge("models", "t*", "--json")[1])["models"]
    assert (facts["default"], other["default"]) == (True, False)
    assert facts["sha256"] == entry.sha256
    assert facts["scores"][0] == {
        "measure": "ODS", "value": 0.5, "dataset": "BSDS500 test", "protocol": "maxDist 0.0075"
    }  # fmt: skip
    code, _, err = featheredge("models", "toi")
    assert code == 1
    assert "did you mean toy" in err


def test_doctor_runs_every_network(featheredge, entry, monkeypatch):
    code, out, _ = featheredge("doctor")
    assert code == 0
    assert "toy                sha256 matches, runs" in out
    assert "cpu" in out
    monkeypatch.setattr(catalog, "ENTRIES", (entry, replace(entry, name="other", sha256="0" * 64)))
    code, out, _ = featheredge("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 1
    assert checks["toy"]["ok"] is True
    assert checks["other"]["ok"] is False
    assert "sha256" in checks["other"]["found"]


#: Runs the command and says how large the process was at its largest. (What `wait4` tells of a
#: child starts from the size of the process that made it, which has loaded PyTorch here.)
MEASURED = """
import atexit, pathlib, runpy, sys
atexit.register(lambda: sys.stderr.write(pathlib.Path("/proc/self/status").read_text()))
runpy.run_module("featheredge", run_name="__main__")
"""


def peak_rss_mb(*arguments: object) -> float:
    """Peak memory of the command as a process of its own."""
    command = [sys.executable, "-c", MEASURED, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert found is not None
    return int(found[1]) / 1024


def test_memory_grows_by_few_bytes_per_pixel(tmp_path, toy_onnx, noise):
    """Image 3, map 4 and their 8-bit conversion 5; less than one layer of a network would take."""
    peaks_mb = []
    for size in [(1344, 1344), (3200, 2400)]:
        photo = tmp_path / f"{size[0]}.jpg"
        Image.fromarray(noise(10, 10)).resize(size).save(photo)
        peaks_mb.append(peak_rss_mb("edges", photo, "-m", toy_onnx))
    assert peaks_mb[1] - peaks_mb[0] < 5.9e6 * 16 / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not catalog.ENTRIES, reason="no network is shipped")
def test_48_megapixels_under_1500_mb(tmp_path, noise):
    photo = tmp_path / "photo.jpg"
    Image.fromarray(noise(60, 80)).resize((8000, 6000)).save(photo)
    assert peak_rss_mb("edges", photo) < 1500
    assert Image.open(tmp_path / "photo_edges.png").size == (8000, 6000)


@pytest.fixture
def folder(tmp_path, noise):
    """A folder of 12 photos."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        Image.fromarray(noise(21, 34, number)).save(tmp_path / "in" / f"{number:02}.png")
    return tmp_path / "in"


def test_several_pictures_are_one_line_with_their_speed(featheredge, folder, toy_onnx):
    command = ["edges", folder, "-m", toy_onnx, "-f"]
    code, out, err = featheredge(*command)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        r"12 written next to their inputs in [\d.]+ s: [\d.]+ pictures/s \(\w.*%\)\n", out
    )
    code, out, err = featheredge(*command, "-v")
    assert (code, out.count(" -> "), err) == (0, 12, "")
    assert featheredge(*command, "-q") == (0, "", "")
    assert featheredge(*command, "-q", "-v")[0] == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing_but_the_speed(featheredge, folder, toy_onnx, workers, tmp_path):
    output = tmp_path / f"out-{workers}"
    code, out, _ = featheredge(
        "edges", folder, "-m", toy_onnx, "-o", output, "--workers", workers, "--json"
    )
    report = json.loads(out)
    assert code == 0
    assert [entry["input"] for entry in report["written"]] == [
        str(path) for path in sorted(folder.iterdir())
    ]
    for path in folder.iterdir():
        expected = toy_map(np.asarray(Image.open(path))) * 255
        assert np.abs(read(output / path.name) - expected).max() <= 0.51
    assert report["speed"]["workers"] == workers
    assert report["speed"]["pictures_per_s"] > 0
    assert sum(report["speed"]["stages"].values()) == pytest.approx(1, abs=0.001)
    assert report["speed"]["stages"]["network"] > 0


@pytest.mark.parametrize(
    ("options", "name", "format"),
    [
        (["--format", "webp"], "photo_edges.webp", "WEBP"),
        (["--format", "jpg", "--quality", "50"], "photo_edges.jpg", "JPEG"),
        (["-o", "lines.jpeg"], "lines.jpeg", "JPEG"),
        (["--suffix", "-lines", "--png-level", "9"], "photo-lines.png", "PNG"),
        pytest.param(
            ["-o", "out", "--suffix", "_e", "--format", "avif"],
            "out/photo_e.avif",
            "AVIF",
            marks=pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF"),
        ),
    ],
)
def test_format_and_names(featheredge, photo, toy_onnx, monkeypatch, options, name, format):
    monkeypatch.chdir(photo.parent)
    code, out, err = featheredge("edges", "photo.png", "-m", toy_onnx, *options)
    assert (code, err) == (0, "")
    assert out.startswith(f"photo.png -> {name} (")
    assert Image.open(photo.parent / name).format == format


@pytest.mark.parametrize(
    ("verb", "options", "cause"),
    [
        ("cutout", ["--format", "jpg"], "jpg has no transparency: add --background white"),
        ("cutout", ["-o", "a.jpg"], "jpg has no transparency: add --background white"),
        ("edges", ["--quality", "50"], "png is lossless"),
        ("edges", ["-o", "a.webp", "--format", "png"], "a.webp is a webp file, but --format is"),
        ("edges", ["--suffix", ""], "need a suffix"),
        ("edges", ["--watch"], "photo.png is not a folder or pattern"),
    ],
)
def test_outputs_that_cannot_be_made_are_refused(featheredge, photo, verb, options, cause):
    code, out, err = featheredge(verb, photo, *options)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert cause in err
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


def test_a_cut_out_with_a_background_can_be_a_jpg(featheredge, bright_photo, toy_saliency_onnx):
    command = ["cutout", bright_photo, "-m", toy_saliency_onnx, "--format", "jpg"]
    assert featheredge(*command, "--background", "white")[0] == 0
    with Image.open(bright_photo.with_name("bright_cutout.jpg")) as image:
        assert image.mode == "RGB"


def test_metadata_is_kept_on_request(featheredge, photo, toy_onnx):
    exif = Image.Exif()
    exif[315] = "Ada"
    Image.open(photo).save(photo, exif=exif)
    artists = []
    for options in ([], ["--keep-metadata"]):
        assert featheredge("edges", photo, "-m", toy_onnx, "-f", *options)[0] == 0
        artists.append(Image.open(photo.with_name("photo_edges.png")).getexif().get(315))
    assert artists == [None, "Ada"]


def test_animations_are_processed_frame_by_frame(featheredge, noise, toy_onnx, tmp_path):
    path = tmp_path / "waves.webp"
    frames = [Image.fromarray(noise(21, 34, seed)) for seed in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=50, lossless=True)
    code, out, err = featheredge("edges", path, "-m", toy_onnx)
    assert (code, err) == (0, "")
    assert "s, 3 frames)" in out
    with Image.open(tmp_path / "waves_edges.png") as image:
        for number, frame in enumerate(frames):
            image.seek(number)
            expected = toy_map(np.asarray(frame)) * 255
            assert np.abs(np.asarray(image.convert("L")) - expected).max() <= 0.51
    assert featheredge("edges", path, "-m", toy_onnx, "-f", "--frames", "first")[0] == 0
    assert read(tmp_path / "waves_edges.png").shape == (21, 34)
    code, _, err = featheredge("edges", path, "-m", toy_onnx, "--format", "jpg")
    assert (code, "waves.webp: jpg has no animations" in err) == (1, True)


def test_a_frame_without_an_object_is_named(featheredge, toy_saliency_onnx, tmp_path):
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    code, _, err = featheredge("cutout", tmp_path / "a.gif", "-m", toy_saliency_onnx)
    assert code == 1
    assert "a.gif, frame 2: " in err
    assert "no salient object" in err


def test_urls_need_permission(featheredge, toy_onnx, tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    url = "http://127.0.0.1:9/cat.png"
    command = ["edges", url, "-m", toy_onnx]
    assert "add --allow-urls" in featheredge(*command)[2]
    assert "not a public address" in featheredge(*command, "--allow-urls")[2]
    monkeypatch.setattr("featheredge.download.fetch", lambda *_, **__: photo.read_bytes())
    code, out, _ = featheredge(*command, "--allow-urls")
    assert (code, out.startswith(f"{url} -> cat_edges.png (")) == (0, True)
    assert read(tmp_path / "cat_edges.png").shape == (21, 34)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{photo}", "--engine", "ray"], "needs a folder for outputs and manifest: add -o FOLDER"),
        (["{photo}", "--engine", "ray", "-o", "x.png"], "needs a folder for outputs"),
        (["{photo}", "--engine", "ray", "-o", "s3://b/x.png"], "needs a folder for outputs"),
        (
            ["{photo}", "--engine", "ray", "-o", "x", "--watch"],
            "has no --watch, --preview and --isolate",
        ),
        (["s3://bucket/photo.jpg"], "s3://bucket/photo.jpg is not on this machine; add --engine"),
        (["{photo}", "-o", "s3://bucket/x"], "s3://bucket/x is not on this machine; add --engine"),
    ],
)
def test_clusters_and_addresses_go_together(featheredge, photo, arguments, message):
    code, _, err = featheredge("edges", *(text.format(photo=photo) for text in arguments))
    assert code == 1
    assert message in err
