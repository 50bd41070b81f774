"""Networks with scores are found; bad folders are reported and the others are kept."""

import json

import pytest

from featheredge import catalog
from featheredge.errors import ArgumentError, EvaluationError
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.report.collect import SETS, collect, read_score
from run_folders import edge_score, saliency_score, write_chain, write_run


def by_name(networks):
    return {network.name: network for network in networks}


def test_a_tree_of_runs(tmp_path, toy_onnx):
    write_run(tmp_path / "table" / "first", toy_onnx, edge_score(0.7))
    write_run(tmp_path / "mask", toy_onnx, saliency_score(0.8))
    (tmp_path / "table" / "recipe.json").write_text("{}")
    (tmp_path / "no-score").mkdir()
    networks, failures = collect([tmp_path], with_catalog=False)
    assert failures == []
    assert [network.name for network in networks] == ["mask", "table/first"]
    mask, first = networks
    assert (first.task, first.results[0].scores["ODS-F"]) == ("edges", 0.7)
    assert dict(mask.results[0].scores) == {"max-F": 0.8, "MAE": 0.1, "S": 0.7}
    assert first.recipe == tmp_path / "table" / "recipe.json"
    assert mask.recipe is None
    assert first.chain is None


def test_a_run_folder_itself_is_found(tmp_path, toy_onnx):
    run = write_run(tmp_path / "mine", toy_onnx, edge_score(0.7))
    (tmp_path / "recipe.json").write_text("{}")
    (network,), _ = collect([run], with_catalog=False)
    assert network.name == "mine"
    assert network.recipe is None  # the parents of the named folder are not searched


def test_steps_of_a_chain_are_in_its_order(tmp_path, toy_onnx):
    write_chain(tmp_path / "smaller", toy_onnx, {"unpruned": 0.75, "cut": 0.5, "again": 0.74})
    write_run(tmp_path / "smaller" / "beside", toy_onnx, edge_score(0.6))
    networks, _ = collect([tmp_path], with_catalog=False)
    found = {name: (network.chain, network.step) for name, network in by_name(networks).items()}
    assert found == {
        "smaller/unpruned": ("smaller", 0),
        "smaller/cut": ("smaller", 1),
        "smaller/again": ("smaller", 2),
        "smaller/beside": (None, 0),
    }
    (network, *_), _ = collect([tmp_path / "smaller"], with_catalog=False)
    assert (network.name, network.chain) == ("again", "smaller")


def test_the_catalog_comes_first_under_the_same_benchmark_as_runs(tmp_path, toy_onnx):
    write_run(tmp_path / "mine", toy_onnx, edge_score(0.7))
    networks, _ = collect([tmp_path])
    shipped = [entry for entry in catalog.list_models() if entry.scores]
    assert [network.name for network in networks] == [*(entry.name for entry in shipped), "mine"]
    first, mine = networks[0], networks[-1]
    assert first.shipped
    assert not mine.shipped
    assert first.results[0].benchmark == mine.results[0].benchmark
    assert list(first.results[0].scores) == list(mine.results[0].scores)
    assert first.results[0].scores["ODS-F"] == shipped[0].scores[0].value
    assert first.recipe
    assert first.recipe.stem == shipped[0].name


def test_another_protocol_or_other_pictures_make_another_benchmark(tmp_path, toy_onnx):
    strict = edge_score(0.7)
    strict["protocol"] = {**strict["protocol"], "max_dist": 0.005}
    scores = {"test": edge_score(0.7), "val": edge_score(0.7, num_images=100), "strict": strict}
    for name, score in scores.items():
        write_run(tmp_path / name, toy_onnx, score)
    networks, _ = collect([tmp_path], with_catalog=False)
    assert len({network.results[0].benchmark for network in networks}) == 3


def test_protocols_are_read_as_they_are_written(tmp_path):
    score = {**edge_score(0.7), "protocol": EdgeProtocol("rcf", 33, 0.011).to_dict()}
    (tmp_path / "edges.json").write_text(json.dumps(score))
    words = read_score(tmp_path / "edges.json")[1].benchmark
    assert "rcf suppression, 33 thresholds, tolerance 0.011" in words
    score = {**saliency_score(0.7), "protocol": SaliencyProtocol("pysod").to_dict()}
    (tmp_path / "masks.json").write_text(json.dumps(score))
    words = read_score(tmp_path / "masks.json")[1].benchmark
    assert words == f"300 pictures; {SaliencyProtocol('pysod').describe()}"


def test_sod_is_recognised_by_its_names_and_shares_the_catalogs_benchmark(tmp_path, toy_onnx):
    """SOD has the names of 300 pictures of BSDS500; this test uses their hash alone."""
    (sod,) = (digest for digest, name in SETS.items() if name == "SOD")
    protocol = SaliencyProtocol("pysod").to_dict()
    scores = {
        "sod": {**saliency_score(0.7), "protocol": protocol, "names_sha256": sod},
        "other": {**saliency_score(0.7), "protocol": protocol, "names_sha256": "0" * 64},
    }
    for name, score in scores.items():
        write_run(tmp_path / name, toy_onnx, score)
    networks, _ = collect([tmp_path])
    found = {network.name: network.results[0].benchmark for network in networks}
    assert found["sod"] == found["feather-saliency"]
    assert found["other"] != found["sod"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "null",
        "{}",
        json.dumps(edge_score(1.5)),
        json.dumps(edge_score(float("nan"))),
        json.dumps({**edge_score(0.5), "ap": "high"}),
        json.dumps({**edge_score(0.5), "ap": True}),
        json.dumps({**edge_score(0.5), "protocol": None}),
        json.dumps({**saliency_score(0.5), "protocol": {"name": "none"}}),
    ],
)
def test_an_unreadable_score_is_named_and_the_others_are_kept(tmp_path, toy_onnx, content):
    write_run(tmp_path / "good", toy_onnx, edge_score(0.7))
    write_run(tmp_path / "bad", toy_onnx, {})
    (tmp_path / "bad/score.json").write_text(content)
    networks, (failure,) = collect([tmp_path], with_catalog=False)
    assert [network.name for network in networks] == ["good"]
    assert str(tmp_path / "bad/score.json") in failure
    with pytest.raises(EvaluationError):
        read_score(tmp_path / "bad/score.json")


def test_a_score_without_a_network_is_named(tmp_path, toy_onnx):
    write_run(tmp_path / "bad", toy_onnx, edge_score(0.7))
    (tmp_path / "bad/network.onnx").unlink()
    networks, failures = collect([tmp_path], with_catalog=False)
    assert networks == []
    assert failures == [
        f"{tmp_path / 'bad'}: has score.json but no network.onnx; export the network into this "
        "folder"
    ]


def test_a_damaged_report_of_a_chain_is_named(tmp_path, toy_onnx):
    chain = write_chain(tmp_path / "smaller", toy_onnx, {"cut": 0.5})
    (chain / "report.json").write_text('{"steps": ["cut"]}')
    networks, (failure,) = collect([tmp_path], with_catalog=False)
    assert networks == []
    assert failure.startswith(f"{chain / 'report.json'}: not the report of a pruning run")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ArgumentError, match="none: no such folder; give a run folder"):
        collect([tmp_path / "none"])


def test_a_network_found_twice_is_shown_once_and_names_are_unique(tmp_path, toy_onnx):
    one = write_run(tmp_path / "a" / "run", toy_onnx, edge_score(0.7))
    two = write_run(tmp_path / "b" / "run", toy_onnx, edge_score(0.6))
    networks, _ = collect([one, two, tmp_path / "a"], with_catalog=False)
    assert [network.name for network in networks] == ["run", str(two)]
