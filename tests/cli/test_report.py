"""`featheredge report`: from run folders to a page, times kept beside it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import METADATA, toy_map, write_network
from featheredge.cli import app
from featheredge.errors import ArgumentError, EvaluationError, OutputError
from featheredge.report import speed
from run_folders import edge_score, saliency_score, write_chain, write_run


@pytest.fixture
def runs(tmp_path, toy_onnx, toy_saliency_onnx) -> Path:
    write_run(tmp_path / "runs" / "edges", toy_onnx, edge_score(0.7))
    write_run(tmp_path / "runs" / "masks", toy_saliency_onnx, saliency_score(0.8))
    return tmp_path / "runs"


def numbers_of(page: Path) -> Path:
    return page.with_name(f"{page.stem}-numbers.json")


def call(*arguments: object) -> int:
    arguments = ("report", *arguments, "--rounds", 1, "--no-catalog")
    return app(map(str, arguments), result_action="return_value", exit_on_error=False)


def test_a_page_its_numbers_and_a_plot(runs, tmp_path, capsys):
    out, plot = tmp_path / "out" / "page.html", tmp_path / "out" / "plot.png"
    assert call(runs, "--output", out, "--plot", plot, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(numbers_of(out).read_text())
    edges, masks = printed["sections"]
    (network,) = edges["networks"]
    assert (network["name"], network["scores"]["ODS-F"], network["num_params"]) == ("edges", 0.7, 3)
    assert network["min_ms"] > 0
    assert network["size_px"] == [321, 481]
    assert network["front_by_time"]
    assert masks["networks"][0]["size_px"] == [64, 64]
    assert "edges" in out.read_text("utf-8")
    assert Image.open(plot).size[0] > 1000


def test_times_are_kept_while_they_compare(runs, tmp_path, toy_onnx, monkeypatch):
    measured = []
    real = speed.measure
    monkeypatch.setattr(speed, "measure", lambda *a: measured.append(len(a[0])) or real(*a))
    out = tmp_path / "page.html"
    call(runs, "--output", out)
    kept = json.loads(numbers_of(out).read_text())["speed"]
    call(runs, "--output", out, "-f")
    assert json.loads(numbers_of(out).read_text())["speed"] == kept
    assert measured == [2]
    call(runs, "--output", out, "-f", "--measure-again")
    assert measured == [2, 2]
    write_run(runs / "more", write_network(tmp_path / "more.onnx", METADATA, 1), edge_score(0.6))
    call(runs, "--output", out, "-f")
    assert measured == [2, 2, 3]  # all of them, so that they compare
    monkeypatch.setattr(speed, "cpu_model", lambda: "another")
    call(runs, "--output", out, "-f")
    assert measured == [2, 2, 3, 3]


def test_one_bad_folder_is_reported_and_counted(runs, tmp_path, toy_onnx, capsys):
    write_run(runs / "damaged", toy_onnx, edge_score(0.6))
    (runs / "damaged" / "network.onnx").write_bytes(b"nothing")
    write_run(runs / "other-task", toy_onnx, saliency_score(0.6))
    write_run(runs / "unscored", toy_onnx, "none")
    assert call(runs, "--output", tmp_path / "page.html") == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    for name, line in zip(("unscored", "damaged", "other-task"), said, strict=True):
        assert name in line
    kept = json.loads(numbers_of(tmp_path / "page.html").read_text())
    assert len(kept["left_out"]) == 3
    assert sum(len(section["networks"]) for section in kept["sections"]) == 2


def test_maps_are_the_networks_own(runs, tmp_path, noise):
    from featheredge.photos import PHOTOS
    from featheredge.report.collect import collect
    from featheredge.report.points import examine, load_pictures

    picture = noise(24, 40)
    Image.fromarray(picture).save(tmp_path / "mine.png")
    networks, _ = collect([runs / "edges"], with_catalog=False)
    (point,), _, _ = examine(
        networks, load_pictures([tmp_path / "mine.png"]), lambda found: speed.measure(found, 1)
    )
    seen = np.asarray(Image.open(io.BytesIO(point.maps[0]))) / 255
    assert seen.shape == (24, 40)
    assert np.abs(seen - toy_map(picture)).mean() < 0.03  # what JPEG loses
    assert all(example.is_file() for example in PHOTOS)


def test_what_exists_is_kept(runs, tmp_path):
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(OutputError, match="-f"):
        call(runs, "--output", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "mine"


def test_nothing_to_report(tmp_path):
    with pytest.raises(EvaluationError, match="nothing to report"):
        call("--output", tmp_path / "page.html")
    with pytest.raises(ArgumentError, match="no such folder"):
        call(tmp_path / "none", "--output", tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_pruned_custom_module_is_said(runs, tmp_path, toy_onnx, capsys):
    chain = write_chain(runs / "custom", toy_onnx, {"unpruned": 0.7, "cut": 0.6})
    write_chain(runs / "scored", toy_onnx, {"unpruned": 0.7, "cut": 0.6})
    for score in chain.rglob("score.json"):
        score.unlink()
    assert call(runs, "--output", tmp_path / "page.html") == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"featheredge: {chain}: left out, because its networks have no score")
    assert f"{chain}: left out" in (tmp_path / "page.html").read_text("utf-8")


def test_a_folder_without_scores_says_what_to_do(tmp_path):
    (tmp_path / "runs/mine/model").mkdir(parents=True)
    with pytest.raises(ArgumentError, match="runs: no network with a score") as caught:
        call(tmp_path / "runs", "--output", tmp_path / "page.html")
    assert "featheredge eval RUN/network.onnx" in str(caught.value)
    assert not (tmp_path / "page.html").exists()
