"""Evaluation of folders of saliency maps, and the command for it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featheredge.cli.evaluate import app
from featheredge.datasets.mask_sets import mask_files, pictures_of
from featheredge.errors import ArgumentError, EvaluationError, WeightsError
from featheredge.metrics import saliency_evaluate
from featheredge.metrics.map_files import (
    pair_up,
    read_mask,
    read_saliency_map,
)
from featheredge.metrics.saliency_evaluate import evaluate_saliency
from featheredge.metrics.saliency_metric import SaliencyMetric
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.metrics.write import write_saliency_csv
from featheredge.report.collect import SETS

SHARED = Path(__file__).parents[3] / "shared" / "data"
PYSOD = SaliencyProtocol()


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def disc(seed: int, height: int = 30, width: int = 40) -> np.ndarray:
    """A filled circle in a bool mask."""
    y, x, radius = np.random.default_rng(seed).uniform([10, 10, 5], [20, 30, 9])
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows - y, columns - x) < radius


@pytest.fixture
def dataset(tmp_path):
    """Three pictures of a bright disc, their masks, and maps with errors."""
    rng = np.random.default_rng(0)
    for i in range(3):
        mask = disc(i)
        picture = (mask * 150)[..., None] + rng.integers(0, 80, (*mask.shape, 3))
        save(tmp_path / "sod" / "images" / f"{i}.png", picture.astype(np.uint8))
        save(tmp_path / "sod" / "masks" / f"{i}.png", mask.astype(np.uint8) * 255)
        save(tmp_path / "maps" / f"{i}.png", (disc(i + 7) * 90 + mask * 120).astype(np.uint8))
    (tmp_path / "sod" / "val.txt").write_text("2\n0\n", "utf-8")
    return tmp_path


def pairs_of(dataset, split=None):
    return pair_up(dataset / "maps", mask_files(dataset / "sod", split))


def run(capsys, *arguments):
    app([str(part) for part in arguments], result_action="return_value")
    return capsys.readouterr().out


def test_masks_are_found_in_either_folder_and_by_list(dataset):
    ids = [path.stem for path in mask_files(dataset / "sod", None)]
    assert ids == ["0", "1", "2"]
    assert [path.stem for path in mask_files(dataset / "sod" / "masks", None)] == ids
    assert [path.stem for path in mask_files(dataset / "sod", "val")] == ["2", "0"]
    with pytest.raises(EvaluationError, match=r"test\.txt: no such file; expected a list"):
        mask_files(dataset / "sod", "test")
    (dataset / "sod" / "test.txt").write_text("2\n9\n", "utf-8")
    with pytest.raises(EvaluationError, match=r"1 of 2 masks are missing: 9"):
        mask_files(dataset / "sod", "test")
    with pytest.raises(EvaluationError, match=r"no masks; give a folder of ID\.png"):
        mask_files(dataset / "nowhere", None)


def test_pictures_are_found_in_sub_folders(dataset):
    masks = mask_files(dataset / "sod", None)
    (dataset / "sod" / "images" / "train").mkdir()
    moved = (dataset / "sod" / "images" / "1.png").rename(
        dataset / "sod" / "images" / "train" / "1.png"
    )
    assert pictures_of(masks, dataset / "sod" / "images")["1"] == moved
    beside = [save(moved.with_name("7.png"), disc(7)), save(moved.with_name("7.jpg"), disc(7))]
    assert pictures_of(beside[:1], moved.parent) == {"7": beside[1]}
    save(dataset / "sod" / "images" / "1.jpg", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(EvaluationError, match="have the same name; remove one"):
        pictures_of(masks, dataset / "sod" / "images")
    with pytest.raises(EvaluationError, match="3 of 3 pictures are missing: 0, 1, 2"):
        pictures_of(masks, dataset / "nowhere")


def test_every_kind_of_grey_picture_is_read(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    for name, values in {
        "grey": grey,
        "three": np.repeat(grey[..., None], 3, axis=2),
        "wide": grey.astype(np.uint16) * 257,
    }.items():
        assert np.array_equal(read_mask(save(tmp_path / f"{name}.png", values)), grey)
    palette = Image.fromarray(grey).convert("P")
    palette.putpalette([shade for i in range(256) for shade in [255 - i] * 3])
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_mask(tmp_path / "palette.png"), 255 - np.array(palette))
    assert np.array_equal(
        read_mask(save(tmp_path / "one_bit.png", grey > 99)), (grey > 99) * np.uint8(255)
    )
    np.save(tmp_path / "values.npy", grey / 255)
    assert read_saliency_map(tmp_path / "values.npy") == pytest.approx(grey / 255)
    colour = save(tmp_path / "colour.png", np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    with pytest.raises(EvaluationError, match=r"colour\.png: picture in colour"):
        read_mask(colour)
    (tmp_path / "no.png").write_bytes(b"no")
    with pytest.raises(EvaluationError, match=r"no\.png: not an image"):
        read_saliency_map(tmp_path / "no.png")


def test_a_folder_scores_the_same_as_its_arrays(dataset):
    metric = SaliencyMetric(PYSOD)
    for pair in pairs_of(dataset):
        map, mask = (np.array(Image.open(path)) for path in (pair.prediction, pair.annotation))
        metric.update(map, mask, pair.name)
    seen = []
    found = evaluate_saliency(pairs_of(dataset), PYSOD, progress=lambda *at: seen.append(at))
    assert found.to_dict() == metric.compute().to_dict()
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_all_bad_pairs_are_named_before_any_image_is_counted(dataset, monkeypatch):
    save(dataset / "maps" / "0.png", np.zeros((40, 30), np.uint8))
    (dataset / "maps" / "1.png").write_bytes(b"")
    save(dataset / "sod" / "masks" / "2.png", disc(2).astype(np.uint8))
    monkeypatch.setattr(saliency_evaluate, "count_saliency", lambda *_: pytest.fail("counted"))
    with pytest.raises(EvaluationError) as caught:
        evaluate_saliency(pairs_of(dataset), PYSOD)
    for part in (
        "3 of 3",
        "0: the map has",
        "transposed",
        "1.png",
        "2: the mask's highest value is 1",
    ):
        assert part in str(caught.value)


@pytest.mark.slow
def test_scores_do_not_depend_on_the_number_of_workers(dataset):
    alone = evaluate_saliency(pairs_of(dataset), PYSOD)
    together = evaluate_saliency(pairs_of(dataset), PYSOD, workers=2)
    assert alone.to_dict() == together.to_dict()


def test_the_command_prints_a_table_or_one_json_object(dataset, capsys):
    places = (dataset / "maps", dataset / "sod" / "masks", "--workers", 1)
    expected = evaluate_saliency(pairs_of(dataset), PYSOD)
    assert run(capsys, "saliency", *places) == f"{expected}\n"
    found = json.loads(run(capsys, "saliency", *places, "--json"))
    assert found == json.loads(json.dumps(expected.to_dict()))
    assert set(found) == {
        "max_f", "mean_f", "adaptive_f", "weighted_f", "mae", "s_measure", "max_e", "mean_e",
        "adaptive_e", "num_images", "names_sha256", "num_resized", "protocol",
    }  # fmt: skip
    assert found["protocol"]["name"] == "pysod"
    other = json.loads(run(capsys, "saliency", *places, "--json", "--protocol", "salmetric"))
    assert other["protocol"]["name"] == "salmetric"
    assert other["mae"] > found["mae"]


def test_maps_of_another_size_are_resized_and_missing_ones_named(dataset, capsys):
    save(dataset / "maps" / "1.png", (disc(1)[::2, ::2] * 200).astype(np.uint8))
    out = run(capsys, "saliency", dataset / "maps", dataset / "sod", "--workers", 1)
    assert "3 images, 1 map resized to its mask" in out
    (dataset / "maps" / "2.png").unlink()
    with pytest.raises(EvaluationError, match="1 of 3 predictions are missing: 2"):
        run(capsys, "saliency", dataset / "maps", dataset / "sod")


def test_a_model_scores_the_same_as_the_maps_that_it_writes(dataset, capsys, toy_saliency_onnx):
    kept = dataset / "kept"
    options = ("--workers", 1, "--json", "--split", "val")
    by_model = run(capsys, toy_saliency_onnx, dataset / "sod", *options, "--keep-maps", kept)
    assert sorted(path.name for path in kept.iterdir()) == ["0.png", "2.png"]
    assert run(capsys, "saliency", kept, dataset / "sod", *options) == by_model
    assert json.loads(by_model)["num_images"] == 2
    elsewhere = (dataset / "sod" / "masks", "--pictures", dataset / "sod" / "images")
    whole = json.loads(run(capsys, *options[:3], toy_saliency_onnx, *elsewhere))
    assert whole["num_images"] == 3
    assert whole["mae"] < 0.4
    with pytest.raises(ArgumentError, match="no folder of images; add --pictures"):
        run(capsys, toy_saliency_onnx, dataset / "sod" / "masks")


def test_a_model_for_edges_is_refused(dataset, capsys, toy_onnx):
    with pytest.raises(WeightsError, match="'edges'"):
        run(capsys, "saliency", toy_onnx, dataset / "sod", "--workers", 1)


def test_the_curves_are_written_as_csv(dataset):
    scores = evaluate_saliency(pairs_of(dataset), PYSOD)
    write_saliency_csv(scores, dataset / "curve.csv")
    table = np.genfromtxt(dataset / "curve.csv", delimiter=",", names=True)
    assert table["threshold"] == pytest.approx(np.arange(256) / 255, abs=1e-6)
    for name in ("recall", "precision", "f", "e"):
        assert table[name] == pytest.approx(getattr(scores, name), abs=1e-6)


@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "sod300").is_dir(), reason=f"needs {SHARED / 'sod300'}")
def test_sod_is_recognised_by_the_names_of_its_pictures():
    names = sorted(mask.stem for mask in mask_files(SHARED / "sod300", None))
    assert SETS[hashlib.sha256("\n".join(names).encode()).hexdigest()] == "SOD"


@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "sod300").is_dir(), reason=f"needs {SHARED / 'sod300'}")
def test_masks_of_sod_score_perfectly_against_themselves():
    masks = mask_files(SHARED / "sod300", None)[:20]
    scores = evaluate_saliency(pair_up(SHARED / "sod300" / "masks", masks), PYSOD).to_dict()
    assert scores["mae"] == 0
    for key in ("max_f", "adaptive_f", "weighted_f", "s_measure"):
        assert scores[key] == pytest.approx(1)
