"""Subjects are timed interleaved; ratios, shares of the peak and memory follow from them."""

import io
import json
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from PIL import Image

from featheredge.bench import measure as measure_module
from featheredge.bench.machine import Peak, commit, peak, peak_cases
from featheredge.bench.measure import measure, open_subject
from featheredge.bench.networks import open_network
from featheredge.bench.peers import open_canny
from featheredge.bench.result import Bench, Row
from featheredge.bench.subject import Cost, Subject
from featheredge.bench.traffic import convolution_traffic
from featheredge.cli import app
from featheredge.errors import ArgumentError, UnknownModelError
from featheredge.report.cost import graph_for_one_size
from featheredge.timing import Timing
from toys import toy_network

SIZE = (40, 56)


def busy(seconds: float):
    """Return a form that uses the processor for so long."""

    def run() -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    return run


def subject(name: str, seconds: float, **options) -> Subject:
    return Subject(name, lambda picture: {"slow": busy(9 * seconds), "fast": busy(seconds)})


def test_the_fastest_form_counts_and_ratios_are_to_the_baseline():
    subjects = [subject("heavy", 0.02), subject("light", 0.005)]
    rows, found = measure(subjects, "heavy", SIZE, threads=1, rounds=3, with_memory=False)
    assert [row.form for row in rows] == ["fast", "fast"]
    assert rows[0].times_faster == pytest.approx(1)
    assert rows[1].times_faster == pytest.approx(4, rel=0.3)
    assert rows[1].network is not None
    assert rows[1].network.min_ms == pytest.approx(5, rel=0.3)
    assert (rows[1].path, rows[1].path_times_faster, rows[1].peak_bytes) == (None, None, None)
    assert found.gflops > 0.1
    assert found.copy_gb > 0.1


def test_a_weights_file_is_timed_alone_and_from_file_to_file(toy_onnx, tmp_path):
    ours = open_subject(str(toy_onnx), tmp_path, 1)
    (row,), _ = measure([ours], ours.name, SIZE, threads=1, rounds=1)
    assert row.form == "ONNX Runtime"
    assert row.cost.num_params == 3
    assert row.cost.multiply_adds == 3 * 40 * 56
    assert row.cost.file_bytes == toy_onnx.stat().st_size
    assert row.network is not None
    assert row.path is not None
    assert row.peak_bytes is not None
    assert 10e6 < row.peak_bytes < 2e9
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8))
    photo = io.BytesIO()
    picture.save(photo, "JPEG")
    assert ours.end_to_end is not None
    written = Image.open(io.BytesIO(ours.end_to_end(photo.getvalue())))
    assert (written.format, written.size, written.mode) == ("PNG", (50, 30), "L")


def test_traffic_is_that_of_every_convolution(toy_onnx):
    graph = graph_for_one_size(toy_onnx, 40, 56, 8).graph
    assert convolution_traffic(graph) == 4 * (3 * 40 * 56 + 3 + 40 * 56)
    assert convolution_traffic(onnx.GraphProto()) == 0


@pytest.mark.slow
def test_a_network_of_pytorch_has_three_forms_with_the_same_result(tmp_path, share_traces):
    torch = pytest.importorskip("torch")
    network = toy_network(3).eval()
    ours = open_network("Toy: a network", network, tmp_path, 1, trained=False)
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    maps = {name: np.squeeze(form()) for name, form in ours.prepare(picture).items()}
    assert list(maps) == ["ONNX Runtime", "PyTorch", "PyTorch, channels last"]
    for map in maps.values():
        np.testing.assert_allclose(torch.as_tensor(map), maps["ONNX Runtime"], atol=1e-4)
    assert ours.end_to_end is None  # random weights
    assert ours.cost(32, 64).num_params == sum(p.numel() for p in network.parameters())


def test_shares_of_the_peak():
    cost = Cost(10, multiply_adds=500_000_000, traffic_bytes=10**9)
    row = Row("a", "b", SIZE, Timing(50.0, 100.0, 3, 1.0), 2.0, None, None, cost, None)
    assert row.share_of_peak(Peak(gflops=100.0, copy_gb=20.0)) == pytest.approx((0.1, 0.5))
    unknown = Row("a", None, SIZE, None, None, None, None, Cost(), None)
    assert unknown.share_of_peak(Peak(1.0, 1.0)) == (None, None)
    machine = {"threads": 2, "cpu": "any", "load_1_min": 0.1, "versions": {}, "commit": None}
    shown = str(Bench(machine, "a", 3, "elapsed time", Peak(100.0, 20.0), [row, unknown]))
    assert "56x40, 2 threads, 3 rounds, elapsed time" in shown
    assert "10%" in shown
    assert "50%" in shown


def test_the_peak_is_that_of_the_fastest_round():
    cases = peak_cases(2)
    for case in cases.values():
        case()
    times = {name: [9.0, 10.0] for name in cases}
    assert peak(times).gflops == pytest.approx(2 * 1024**3 / 0.009 / 1e9)


def test_canny_from_file_to_file():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    canny = open_canny(1)
    picture = np.zeros((30, 40, 3), np.uint8)
    picture[:, 20:] = 255
    (form,) = canny.prepare(picture).values()
    assert np.count_nonzero(form()) >= 28
    assert canny.end_to_end is not None
    photo = cv2.imencode(".jpg", picture)[1].tobytes()
    assert Image.open(io.BytesIO(canny.end_to_end(photo))).size == (40, 30)


def test_what_cannot_be_opened(tmp_path, monkeypatch):
    with pytest.raises(UnknownModelError, match="quantum"):
        open_subject("quantum", tmp_path, 1)
    monkeypatch.setattr("featheredge.bench.peers.is_installed", lambda module: False)
    for name in ("opencv-canny", "rembg"):
        with pytest.raises(ArgumentError, match=f"{name} is not installed; type: pip install"):
            open_subject(name, tmp_path, 1)


def test_a_fresh_process_that_fails_is_a_warning(toy_onnx):
    broken = Subject("broken", lambda picture: {}, fresh=("session", "absent.onnx", "1"))
    with pytest.warns(UserWarning, match=r"broken: no peak memory.*absent\.onnx"):
        assert measure_module._fresh_peak(broken, b"") is None


def test_the_verb_prints_json(toy_onnx, capsys):
    arguments = ["--size", "56x40", "24x16", "--rounds", "1", "--no-memory", "--json"]
    app(["bench", str(toy_onnx), *arguments], result_action="return_value")
    small, smaller = json.loads(capsys.readouterr().out)["sizes"]
    assert small["rows"][0]["size"] == [40, 56]
    assert smaller["rows"][0]["size"] == [16, 24]
    assert {"cpu", "threads", "versions", "load_1_min", "commit"} <= small["machine"].keys()
    assert small["rows"][0]["share_of_matrix_product"] > 0
    with pytest.raises(ArgumentError, match="expected WIDTHxHEIGHT"):
        app(["bench", str(toy_onnx), "--size", "big"], result_action="return_value")


def test_the_commit_is_that_of_this_checkout():
    found = commit()
    command = ["git", "rev-parse", "--short", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    assert found is None or head[:6] in found


def test_the_fresh_process_imports_no_torch(toy_onnx, tmp_path):
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "a.jpg")
    code = (
        "import sys; from featheredge.bench import fresh; fresh.main(); "
        "assert not {'torch', 'onnx', 'scipy'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.jpg"), "session", str(toy_onnx), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10e6
