"""Table 1 with toy networks: costs and ratios are measured, scores need weights and data."""

import json

import pytest

from featheredge.models.cost import multiply_adds
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.runs import table1 as table1_module
from featheredge.runs.table1 import Entry, entries, table1
from toys import toy_network, write_bsds

pytestmark = pytest.mark.usefixtures("share_traces")


@pytest.mark.slow
def test_networks_are_measured_beside_published_values(tmp_path, monkeypatch):
    bsds = write_bsds(tmp_path / "bsds", "test", 1)
    monkeypatch.setattr(table1_module, "score_session", lambda session, data: ("ODS", 0.5))
    networks = [
        Entry("first", lambda: toy_network(1), False, 0.8115, 1),
        Entry("second", lambda: toy_network(2), True, None, 6),
    ]
    found = table1(networks, bsds=bsds, rounds=1, size=(32, 64))
    first, second = found.lines
    assert (first.ods, first.published_ods) == (None, 0.8115)
    assert (second.ods, second.published_times_faster) == (0.5, 6)
    assert first.measured.times_faster == 1
    assert second.measured.peak_bytes is not None
    shown = str(found).splitlines()
    assert shown[1].split()[-1] == "0.8115"
    assert "0.5000" in shown[2]
    assert json.loads(json.dumps(found.to_dict()))["lines"][1]["what"] == "second"


def test_the_pruned_rcf_has_the_published_share_of_multiply_adds():
    whole = multiply_adds(lambda: RCF(RCFConfig()), 100, 100)
    pruned = multiply_adds(lambda: RCF(table1_module._pruned_rcf()), 100, 100)
    assert whole / pruned == pytest.approx(2.8, rel=0.05)


def test_rcf_is_the_baseline_and_has_no_score_without_weights():
    listed = entries(None, None)
    assert listed[0].what.startswith("RCF")
    assert not any(entry.trained for entry in listed[:4])  # RCF and the article's students
    assert all(entry.trained for entry in listed[4:])
