"""Pruning runs of toy networks from recipe to report, and runs that are interrupted."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from featheredge.channels.cut import cut
from featheredge.errors import ArgumentError, OutputError, RecipeError, WeightsError
from featheredge.models import build
from featheredge.models.cost import num_params
from featheredge.models.csf import HeadWidths
from featheredge.models.csnet import CSNetConfig
from featheredge.pruning.group_error import Sampling
from featheredge.pruning.learned import learned_channels
from featheredge.pruning.plan import Plan
from featheredge.pruning.prune import prune
from featheredge.run_folder import locked
from featheredge.runs import network_source, prune_run
from featheredge.runs.calibration import calibration_pictures
from featheredge.runs.network_source import load_custom
from featheredge.runs.prune_recipe import load_prune_recipe
from featheredge.runs.prune_report import PruneReport, PruneStep
from featheredge.runs.prune_run import run_pruning
from featheredge.session import Session
from featheredge.timing import Timing
from featheredge.training.average import reestimate_norms
from masking import randomised
from prune_runs import COUNTS, custom_recipe_file, learned_recipe_file, without_exports, zoo_recipe

CSNET = CSNetConfig(
    (((3, 2),), ((3, 2),), ((3, 2), (4, 0)), ((2, 2), (5, 0)), ((2, 2), (6, 0))),
    HeadWidths((3, 3, 4), ((0, 1, 1, 1, 1), (1, 0, 1, 1, 1), (1, 1, 1, 1, 1)), 6),
)
STEPS = ["unpruned", "cut", "refit", "norms", "taught"]


class Stopped(Exception):
    """Interrupts a run."""


def weights(folder):
    return load_file(folder / "model/model.safetensors")


def equal(one, other):
    return one.keys() == other.keys() and all(one[key].equal(other[key]) for key in one)


def test_a_folder_is_pruned_in_by_one_process(tmp_path):
    recipe = zoo_recipe(tmp_path)
    with (
        locked(tmp_path / "run"),
        pytest.raises(OutputError, match="is working in this folder"),
    ):
        run_pruning(recipe, tmp_path / "run")
    assert not (tmp_path / "run/recipe.json").exists()


def test_a_run_writes_a_scored_network_for_every_step(tmp_path, monkeypatch, noise):
    without_exports(monkeypatch, "taught")
    recipe, folder = zoo_recipe(tmp_path), tmp_path / "run"
    lines = []
    report = run_pruning(recipe, folder, announce=lines.append)
    assert [step.name for step in report.steps] == STEPS
    whole = report.steps[0]
    assert lines[0] == "unpruned"
    assert lines[1].startswith(f"unpruned: {whole.num_params:,} parameters")
    for step in report.steps:
        at = folder / step.name
        network = build.load(at / "model")
        assert num_params(network) == step.num_params
        score = json.loads((at / "score.json").read_bytes())
        assert (step.measure, step.score) == ("ODS", score["ods"]["f"])
        assert score["num_images"] == 1
        assert report.times[step.name].runs == 2
    session = Session(folder / "taught/network.onnx")
    assert session.name == "prune-toy-taught"
    image = torch.from_numpy(noise(32, 64)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = network(network.normalise(image)).final.sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(session(noise(32, 64)), expected, atol=1e-4)
    assert {step.num_params for step in report.steps[1:]} == {report.steps[1].num_params}
    assert report.steps[1].num_params < whole.num_params
    assert report.steps[1].multiply_adds < whole.multiply_adds
    blocks = build.load(folder / "taught/model").config.blocks
    assert [blocks[i].hidden for i in (2, 4)] == [*COUNTS.values()]
    tuning = json.loads((folder / "taught/recipe.json").read_bytes())
    assert tuning["distill"]["teachers"] == [recipe.source]
    assert tuning["network"]["initial"] == str(folder / "norms/model")
    assert json.loads((folder / "report.json").read_bytes()) == json.loads(
        json.dumps(report.to_dict())
    )

    def fail(*args, **kwargs):
        raise AssertionError("a completed step runs again")

    for name in ("prune", "train", "score_step", "reestimate_norms", "time_steps"):
        monkeypatch.setattr(prune_run, name, fail)
    assert run_pruning(recipe, folder) == report


def test_steps_give_the_results_of_the_functions_they_call(tmp_path, monkeypatch):
    without_exports(monkeypatch)
    recipe = zoo_recipe(tmp_path, "data.val_splits=[]", "training={}")
    folder = tmp_path / "run"
    report = run_pruning(recipe, folder)
    assert [step.score for step in report.steps] == [None] * 4
    whole = build.load(tmp_path / "toy")
    inputs = [whole.normalise(batch) for batch in calibration_pictures(recipe)]
    sampling = Sampling(inputs, recipe.calibration.points, recipe.seed)
    for index, (name, refit) in enumerate((("cut", False), ("refit", True)), start=1):
        network, errors = prune(whole, COUNTS, sampling, refit=refit)
        assert equal(network.state_dict(), weights(folder / name))
        assert report.steps[index].errors == {error.group: error.error for error in errors}
    reestimate_norms(network, inputs)
    assert equal(network.state_dict(), weights(folder / "norms"))
    assert report.steps[2].mean_error < report.steps[1].mean_error


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """A run without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        without_exports(patch)
        run_pruning(zoo_recipe(folder, "data.val_splits=[]"), folder / "run")
    return folder / "run"


@pytest.mark.parametrize("stop", ["cut", "norms", "taught: ", 3])
def test_an_interrupted_run_resumes_with_the_same_result(tmp_path, monkeypatch, whole_run, stop):
    """Interrupt a run when a step starts, when it ends, and after an optimiser step."""
    exported = without_exports(monkeypatch)
    recipe = zoo_recipe(tmp_path, "data.val_splits=[]")

    def announce(line):
        if line == stop or (str(stop).endswith(": ") and line.startswith(str(stop))):
            raise Stopped

    def report(record, length):
        if record["step"] == stop:
            raise Stopped

    with pytest.raises(Stopped):
        run_pruning(recipe, tmp_path / "run", announce=announce, on_record=report)
    assert not (tmp_path / "run/report.json").exists()
    run_pruning(recipe, tmp_path / "run")
    assert exported == STEPS, "every step runs once"
    for step in STEPS:
        assert equal(weights(tmp_path / "run" / step), weights(whole_run / step))
    if stop == 3:
        log = (tmp_path / "run/taught/log.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in log] == [1, 2, 3, 4]


def test_a_resumed_run_does_not_plan_again(tmp_path, monkeypatch):
    without_exports(monkeypatch)
    asked = []

    def plan(network, budget, sampling, *, criterion, measure_share, **timing):
        asked.append((budget.macs, criterion, len(sampling.inputs)))
        assert measure_share(COUNTS) == 0.25
        return Plan(dict(COUNTS), (2.0, 1.0), None, {}, {})

    monkeypatch.setattr(prune_run, "make_plan", plan)

    def share_of_time(source, unpruned, counts, example, *, threads, rounds):
        assert unpruned.is_file()
        return 0.25

    monkeypatch.setattr(prune_run, "share_of_time", share_of_time)
    zoo_recipe(tmp_path)
    path = tmp_path / "prune.toml"
    text = path.read_text()
    start, end = text.index("[prune.counts]"), text.index("[training.taught]")
    path.write_text(text[:start] + "[budget]\nmacs = 0.5\nsize = [40, 56]\n" + text[end:])
    recipe = load_prune_recipe(path, ["data.val_splits=[]", "training={}"])
    lines = []
    report = run_pruning(recipe, tmp_path / "run", announce=lines.append)
    assert asked == [(0.5, "lasso", 2)]
    assert "plan: a trial network took 0.250 of the time" in lines
    assert report.size == (40, 56)
    stored = json.loads((tmp_path / "run/plan.json").read_bytes())
    assert stored["counts"] == COUNTS
    (tmp_path / "run/report.json").unlink()
    (tmp_path / "run/norms/step.json").unlink()
    run_pruning(recipe, tmp_path / "run")
    assert len(asked) == 1


def test_learned_channels_are_cut_and_not_refitted(tmp_path, monkeypatch):
    without_exports(monkeypatch)
    torch.manual_seed(0)
    network = randomised(build.from_config("CSNet", asdict(CSNET)))
    scales = network.stages[1][0].mix_act[0][0].weight
    with torch.no_grad():
        scales[1] = 1e-20
    recipe, folder = load_prune_recipe(learned_recipe_file(tmp_path, network)), tmp_path / "run"
    report = run_pruning(recipe, folder)
    assert [step.name for step in report.steps] == ["unpruned", "cut", "norms"]
    expected = cut(network, learned_channels(network).keep)
    assert expected.config.stages[1][0] == (2, 2), "one of three channels is cut"
    assert build.load(folder / "cut/model").config == expected.config
    assert equal(expected.state_dict(), weights(folder / "cut"))
    inputs = [network.normalise(batch) for batch in calibration_pictures(recipe)]
    reestimate_norms(expected, inputs)
    assert equal(expected.state_dict(), weights(folder / "norms"))


def test_a_custom_network_is_pruned_saved_and_loaded(tmp_path, monkeypatch):
    without_exports(monkeypatch)
    recipe, folder = load_prune_recipe(custom_recipe_file(tmp_path)), tmp_path / "run"
    report = run_pruning(recipe, folder)
    assert [step.name for step in report.steps] == STEPS[:4]
    assert report.steps[2].mean_error < report.steps[1].mean_error
    kept = json.loads((folder / "norms/model/widths.json").read_bytes())
    assert kept == {"kept": {"0": 4, "3": 3}}
    whole = network_source._make(*recipe.custom)
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    example = torch.rand(2, 3, 24, 24)
    smaller = load_custom(whole, folder / "norms/model", example)
    assert [smaller[i].out_channels for i in (0, 3, 5)] == [4, 3, 2]
    assert equal(before, whole.state_dict())
    inputs = network_source.CustomSource(recipe).inputs
    torch.testing.assert_close(inputs(torch.full((1, 3, 2, 2), 0.75)), torch.ones(1, 3, 2, 2))
    pruned, _ = prune(
        whole, {"0": 4, "3": 3}, Sampling([inputs(b) for b in calibration_pictures(recipe)])
    )
    assert equal(pruned.state_dict(), weights(folder / "refit"))
    with pytest.raises(WeightsError, match=r"widths\.json"):
        load_custom(whole, folder, example)


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ("source={}/none.py:build", RecipeError, "no Python file"),
        ("source={}/mine.py:number", RecipeError, "returns a torch.nn.Module"),
        ("source={}/mine.py:absent", RecipeError, "returns a torch.nn.Module"),
        ("prune.counts={{'1'=3}}", ArgumentError, "unknown group '1'; choose from 0, 3"),
        (
            "prune.counts={{'0'=9}}",
            ArgumentError,
            "cannot keep 9 units of 0; give a count from 1 to 8",
        ),
    ],
)
def test_invalid_sources_and_counts_raise(tmp_path, monkeypatch, setting, error, message):
    without_exports(monkeypatch)
    recipe = load_prune_recipe(custom_recipe_file(tmp_path), [setting.format(tmp_path)])
    with pytest.raises(error, match=message):
        run_pruning(recipe, tmp_path / "run")
    assert not (tmp_path / "run/report.json").exists()


def test_a_folder_with_a_run_of_another_recipe_is_not_changed(tmp_path, monkeypatch):
    without_exports(monkeypatch)
    recipe = zoo_recipe(tmp_path, "data.val_splits=[]", "training={}")
    run_pruning(recipe, tmp_path / "run")
    with pytest.raises(RecipeError, match="another recipe"):
        run_pruning(recipe.model_copy(update={"seed": 1}), tmp_path / "run")


def test_the_report_compares_steps_with_the_unpruned_network():
    steps = (
        PruneStep("unpruned", 1_234_567, 2e9, {}, "ODS", 0.8),
        PruneStep("refit", 234_567, 1e9, {"a": 0.1, "b": 0.3}, "ODS", 0.75),
    )
    times = {"unpruned": Timing(20.0, 25.0, 7), "refit": Timing(5.0, 6.5, 7)}
    machine = {"cpu": "a processor", "load_1_min": 0.5}
    report = PruneReport(steps, times, (321, 481), 2, machine)
    assert report.share(steps[1]) == 0.25
    head, first, second, *notes = str(report).splitlines()
    assert "ODS" in head
    for part in ("1,234,567", "2.000", "20.00", "25.00", "1.000", "0.8000"):
        assert part in first
    for part in ("234,567", "1.000", "5.00", "6.50", "0.250", "0.7500", "0.2000"):
        assert part in second
    for part in ("321x481", "2 threads", "7 rounds", "a processor", "load 0.5"):
        assert part in "".join(notes)
    stored = json.loads(json.dumps(report.to_dict()))
    assert [row["mean_error"] for row in stored["steps"]] == [None, pytest.approx(0.2)]
    assert [row["share_of_time"] for row in stored["steps"]] == [1.0, 0.25]
    assert PruneReport.from_dict(stored) == report
    assert asdict(PruneReport.from_dict(stored)) == asdict(report)
