"""Evaluation of folders of edge maps: read, pair, check, count once, write the scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

import featheredge as fe
from featheredge.errors import EvaluationError
from featheredge.metrics import edge_evaluate as evaluation
from featheredge.metrics.edge_evaluate import evaluate_edges
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.map_files import (
    annotation_files,
    pair_up,
    read_annotations,
    read_prediction,
)
from featheredge.metrics.pr_curve import plot
from featheredge.metrics.write import write_bsds_files, write_edge_csv
from toys import strokes, write_annotations

AS_IS = EdgeProtocol(nms="none", num_thresholds=9)


def save_grey(path: Path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture
def folders(tmp_path):
    """Three maps, and their annotations in the layout of BSDS500."""
    for i in range(3):
        write_annotations(
            tmp_path / "bsds" / "groundTruth" / "test" / f"{i}.mat",
            [strokes(30, 40, i), strokes(30, 40, i + 7)],
        )
        save_grey(tmp_path / "maps" / f"{i}.png", strokes(30, 40, i + 20).astype(np.uint8) * 200)
    return tmp_path


def pairs_of(folders):
    return pair_up(folders / "maps", annotation_files(folders / "bsds", "test"))


def test_every_kind_of_map_file_is_read(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    save_grey(tmp_path / "grey.png", grey)
    save_grey(tmp_path / "three.png", np.repeat(grey[..., None], 3, 2))
    save_grey(tmp_path / "wide.png", grey.astype(np.uint16) * 257)
    np.save(tmp_path / "values.npy", grey / 255)
    savemat(tmp_path / "any.mat", {"whatever": grey / 255})
    doubled = np.zeros((7, 9))
    doubled[2::2, 2::2] = grey / 255
    savemat(tmp_path / "contours.mat", {"ucm2": doubled})
    for name in ("grey.png", "three.png"):
        assert np.array_equal(read_prediction(tmp_path / name), grey)
    for name in ("wide.png", "values.npy", "any.mat", "contours.mat"):
        assert read_prediction(tmp_path / name) == pytest.approx(grey / 255)


def test_files_that_are_not_maps_are_named(tmp_path):
    save_grey(tmp_path / "colour.png", np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    savemat(tmp_path / "two.mat", {"a": np.eye(3), "b": np.eye(3)})
    np.save(tmp_path / "pickle.npy", np.array([{}], object), allow_pickle=True)
    for name, message in [
        ("colour.png", "RGB picture"),
        ("damaged.png", "cannot be read"),
        ("two.mat", r"\['a', 'b'\]"),
        ("pickle.npy", "cannot be read"),
    ]:
        with pytest.raises(EvaluationError, match=f"{name}.*{message}"):
            read_prediction(tmp_path / name)


def test_binary_pictures_are_annotations_and_grey_pictures_are_refused(tmp_path):
    mask = strokes(10, 12, 0)
    for high in (1, 255):
        save_grey(tmp_path / "mask.png", mask.astype(np.uint8) * high)
        assert np.array_equal(read_annotations(tmp_path / "mask.png"), mask[None])
    save_grey(tmp_path / "grey.png", np.arange(9, dtype=np.uint8).reshape(3, 3))
    with pytest.raises(EvaluationError, match=r"grey\.png.*9 grey values.*binary"):
        read_annotations(tmp_path / "grey.png")


@pytest.mark.parametrize("place", ["bsds", "bsds/groundTruth", "bsds/groundTruth/test"])
def test_annotations_are_found_from_any_folder_of_the_data_set(folders, place):
    assert [p.name for p in annotation_files(folders / place, "test")] == [
        "0.mat",
        "1.mat",
        "2.mat",
    ]


def test_missing_predictions_are_named(folders):
    (folders / "maps" / "1.png").unlink()
    with pytest.raises(EvaluationError, match=r"1 of 3 predictions are missing: 1"):
        pairs_of(folders)


def test_two_predictions_of_one_image_are_refused(folders):
    np.save(folders / "maps" / "1.npy", np.zeros((30, 40)))
    with pytest.raises(EvaluationError, match="predictions of the same image; remove one"):
        pairs_of(folders)


def test_a_folder_without_annotations_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="no annotations; give a BSDS500 folder"):
        annotation_files(tmp_path, "test")


def test_all_bad_pairs_are_named_before_any_image_is_counted(folders, monkeypatch):
    save_grey(folders / "maps" / "0.png", np.zeros((40, 30), np.uint8))
    (folders / "maps" / "1.png").unlink()
    np.save(folders / "maps" / "1.npy", np.full((30, 40), np.nan))
    (folders / "bsds" / "groundTruth" / "test" / "2.mat").write_bytes(b"")
    monkeypatch.setattr(evaluation, "count_edges", lambda *_: pytest.fail("counted"))
    with pytest.raises(EvaluationError) as caught:
        evaluate_edges(pairs_of(folders), AS_IS)
    text = str(caught.value)
    for part in ("3 of 3", "transposed", "(40, 30)", "(30, 40)", "only NaN", "2.mat"):
        assert part in text


def test_stored_counts_are_used_until_the_content_changes(folders, monkeypatch):
    cache = folders / "cache"
    first = evaluate_edges(pairs_of(folders), AS_IS, cache=cache)
    counted = []
    count_edges = evaluation.count_edges

    def spy(*arguments):
        counted.append(1)
        return count_edges(*arguments)

    monkeypatch.setattr(evaluation, "count_edges", spy)
    assert np.array_equal(
        evaluate_edges(pairs_of(folders), AS_IS, cache=cache).counts, first.counts
    )
    assert not counted
    save_grey(folders / "maps" / "1.png", strokes(30, 40, 99).astype(np.uint8) * 200)
    again = evaluate_edges(pairs_of(folders), AS_IS, cache=cache)
    assert len(counted) == 1
    assert not np.array_equal(again.counts, first.counts)
    evaluate_edges(pairs_of(folders), EdgeProtocol("none", 9, 0.02), cache=cache)
    assert len(counted) == 4


def test_progress_counts_up_to_the_total(folders):
    seen = []
    evaluate_edges(
        pairs_of(folders), AS_IS, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_counts_do_not_depend_on_the_number_of_workers(folders):
    alone = evaluate_edges(pairs_of(folders), AS_IS)
    together = evaluate_edges(pairs_of(folders), AS_IS, workers=2)
    assert np.array_equal(alone.counts, together.counts)
    assert alone.to_dict() == together.to_dict()


def test_the_original_text_files_hold_the_scores(folders):
    scores = evaluate_edges(pairs_of(folders), AS_IS)
    write_bsds_files(scores, folders / "text")
    assert np.array_equal(np.loadtxt(folders / "text" / "1_ev1.txt")[:, 1:], scores.counts[1])
    threshold, recall, precision, f, *ois, ap = np.loadtxt(folders / "text" / "eval_bdry.txt")
    ods = scores.ods
    assert [threshold, recall, precision, f, ap] == pytest.approx(
        [ods.threshold, ods.recall, ods.precision, ods.f, scores.ap], rel=1e-5
    )
    expected = [scores.ois.recall, scores.ois.precision, scores.ois.f]
    assert ois == pytest.approx(expected, rel=1e-5)
    assert np.loadtxt(folders / "text" / "eval_bdry_thr.txt").shape == (9, 4)
    assert np.loadtxt(folders / "text" / "eval_bdry_img.txt")[:, 0].tolist() == [1, 2, 3]


def test_the_curve_is_written_as_csv(folders):
    scores = evaluate_edges(pairs_of(folders), AS_IS)
    write_edge_csv(scores, folders / "curve.csv")
    table = np.genfromtxt(folders / "curve.csv", delimiter=",", names=True)
    thresholds, recall, precision = scores.curve()
    assert table["threshold"] == pytest.approx(thresholds)
    assert table["recall"] == pytest.approx(recall, abs=1e-6)
    assert table["precision"] == pytest.approx(precision, abs=1e-6)
    assert np.array_equal(table["sumP"], scores.counts.sum(0)[:, 3])


def test_the_plot_is_written_as_a_picture(folders):
    scores = evaluate_edges(pairs_of(folders), AS_IS)
    plot({"strokes": scores, "again": scores}, folders / "pr.png", human=(0.72, 0.9))
    with Image.open(folders / "pr.png") as image:
        assert image.size == (840, 840)
        assert len(image.convert("RGB").getcolors(maxcolors=1 << 20)) > 50
    with pytest.raises(
        EvaluationError,
        match=r"pr\.jpg: unknown plot format '\.jpg'; end the name in \.png, \.svg or \.pdf",
    ):
        plot({"strokes": scores}, folders / "pr.jpg")


def run(capsys, *arguments):
    from featheredge.cli.evaluate import app

    app([str(part) for part in arguments], result_action="return_value")
    return capsys.readouterr().out


def test_the_command_prints_one_json_object(folders, capsys):
    options = ("--no-nms", "--workers", 1, "--no-cache")
    out = run(capsys, "edges", folders / "maps", folders / "bsds", *options, "--json")
    found = json.loads(out)
    scores = evaluate_edges(pairs_of(folders), EdgeProtocol(nms="none"))
    assert found == json.loads(json.dumps(scores.to_dict()))
    assert found["num_images"] == 3
    table = run(capsys, folders / "maps", f"bsds500:{folders / 'bsds'}", *options)
    assert table == f"{scores}\n"


def test_pictures_as_annotations_need_a_tolerance(folders, capsys):
    for i in range(3):
        save_grey(folders / "masks" / f"{i}.png", strokes(30, 40, i).astype(np.uint8) * 255)
    with pytest.raises(EvaluationError, match="add --max-dist"):
        run(capsys, "edges", folders / "maps", folders / "masks")
    out = run(
        capsys, "edges", folders / "maps", folders / "masks", "--max-dist", 0.02,
        "--workers", 1, "--no-cache", "--json",
    )  # fmt: skip
    assert json.loads(out)["protocol"]["max_dist"] == 0.02


def test_a_model_scores_the_same_as_the_maps_that_it_writes(folders, capsys, toy_onnx):
    images = folders / "bsds" / "images" / "test"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.jpg")
    options = ("--workers", 1, "--no-cache", "--json")
    kept = folders / "kept"
    by_model = run(capsys, toy_onnx, f"bsds500:{folders / 'bsds'}", *options, "--keep-maps", kept)
    assert sorted(p.name for p in kept.iterdir()) == ["0.png", "1.png", "2.png"]
    assert run(capsys, "edges", kept, folders / "bsds", *options) == by_model
    assert json.loads(by_model)["protocol"]["nms"] == "hed"

    run(
        capsys, toy_onnx, f"bsds500:{folders / 'bsds'}", *options,
        "--keep-maps", kept, "--scales", 0.5, 1,
    )  # fmt: skip
    averaged = fe.edges(images / "0.jpg", model=toy_onnx, scales=(0.5, 1))
    written = np.asarray(Image.open(kept / "0.png")) / 255
    np.testing.assert_allclose(written, averaged, atol=0.51 / 255)
    with pytest.raises(EvaluationError, match="leave out --scales, which is for models"):
        run(capsys, "edges", kept, folders / "bsds", *options, "--scales", 0.5, 1)
