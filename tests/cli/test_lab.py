"""`featheredge train` and `featheredge export`, from a recipe to a picture."""

import subprocess
import sys

import pytest

from featheredge.cli import app
from featheredge.cli.progress import training_progress
from featheredge.errors import ArgumentError, OutputError
from featheredge.models import build
from featheredge.session import Session
from featheredge.training.log import Length
from toys import toy_network, write_bsds, write_masks, write_recipe


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "featheredge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_from_recipe_to_map(tmp_path, noise):
    bsds = write_bsds(write_bsds(tmp_path / "bsds", "train", 4), "val", 1)
    recipe = write_recipe(tmp_path, bsds)
    trained = run("train", recipe, "-o", tmp_path / "run", "--set", "schedule.epochs=1")
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.strip() == str(tmp_path / "run" / "model")
    assert "validation loss" in trained.stderr
    exported = run("export", trained.stdout.strip(), "-o", tmp_path / "mine.onnx")
    assert exported.returncode == 0, exported.stderr
    assert Session(tmp_path / "mine.onnx").name == "mine"
    assert Session(tmp_path / "mine.onnx")(noise(20, 30)).shape == (20, 30)


def test_a_saliency_run_becomes_a_saliency_network(tmp_path, capsys):
    recipe = write_recipe(tmp_path, write_masks(tmp_path / "set"))
    settings = ["task=saliency", "loss={}", "data.val_splits=[]", "schedule.epochs=1"]
    call("train", recipe, "-o", tmp_path / "run", *(f"--set={setting}" for setting in settings))
    call("export", tmp_path / "run/model", "-o", tmp_path / "mine.onnx")
    session = Session(tmp_path / "mine.onnx")
    assert (session.task, session.input_px) == ("saliency", 32)
    with pytest.raises(ArgumentError, match="was trained for saliency; leave --task out"):
        call("export", tmp_path / "run/model", "-o", tmp_path / "b.onnx", "--task", "edges")


def test_a_network_that_does_not_say_its_task_must_be_told(tmp_path, capsys):
    build.save(toy_network(), tmp_path / "old")
    for options, said in (([], "add --task edges"), (["--task", "saliency"], "needs --input-px")):
        with pytest.raises(ArgumentError, match=said):
            call("export", tmp_path / "old", "-o", tmp_path / "mine.onnx", *options)
    call("export", tmp_path / "old", "-o", tmp_path / "mine.onnx", "--task", "edges")
    assert Session(tmp_path / "mine.onnx").task == "edges"


def test_labels_of_a_teacher(tmp_path):
    bsds = write_bsds(tmp_path / "bsds", "train", 2)
    build.save(toy_network(), tmp_path / "teacher")
    pictures = bsds / "images/train"
    done = run("label", tmp_path / "teacher", pictures, "-o", tmp_path / "maps", "--flip")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "maps")
    names = {path.name for path in (tmp_path / "maps").iterdir()}
    assert names == {"0.png", "1.png", "teacher.json"}
    with pytest.raises(ArgumentError, match=r"no \.jpg or \.png"):
        call("label", tmp_path / "teacher", tmp_path / "teacher", "-o", tmp_path / "none")


def call(*arguments: object) -> None:
    app(map(str, arguments), result_action="return_value", exit_on_error=False)


def test_an_existing_export_is_kept(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    with pytest.raises(OutputError, match="-f"):
        call("export", tmp_path, "-o", tmp_path / "mine.onnx")
    assert (tmp_path / "mine.onnx").read_bytes() == b"mine"


def test_progress_on_a_terminal_begins_before_the_first_step(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # to rich, a terminal
    monkeypatch.setenv("TERM", "xterm")
    with training_progress() as report:
        report({"step": 3, "loss": 0.5, "samples_per_s": 20.0}, Length(5, 2))
    assert "step 3/10" in capsys.readouterr().err


def test_decoding_shows_on_a_terminal_and_is_a_line_elsewhere(monkeypatch, capsys):
    with training_progress() as report:
        for done in (1, 2, 3):
            report.decoded(done, 3)
    assert capsys.readouterr().err == "decoding 3 pictures, once\n"
    monkeypatch.setenv("FORCE_COLOR", "1")  # to rich, a terminal
    monkeypatch.setenv("TERM", "xterm")
    with training_progress() as report:
        report.decoded(1, 3)
    assert "decode picture 1/3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edge-distillation"], "add --data, --backbone and --teacher"),
        (["saliency-distillation", "--published"], "no paper has a schedule"),
        (["edge-distillation", "--published", "--times", "2"], "leave out --times"),
        (["octave-splits", "--times", "2"], "octave-splits has one schedule"),
    ],
)
def test_a_table_that_cannot_be_reproduced_is_refused(arguments, said):
    given = ["--data", ".", "--backbone", "x", "--teacher", "x"] if len(arguments) > 1 else []
    with pytest.raises(ArgumentError, match=said):
        call("reproduce", *arguments, *given)
