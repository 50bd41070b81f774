"""Costs of the CSNet family: counted and published values side by side, from toy models."""

import onnx
import pytest

from featheredge.runs import csnet_cost as module
from featheredge.runs.csnet_cost import PUBLISHED, CostRow, cost_table, csf_cost, csnet_cost
from featheredge.timing import Timing

MODEL = """
<ir_version: 9, opset_import: ["" : 20]>
tiny (uint8[B, H, W, 3] image) => (float[B, H, W, 3] map) { map = Cast <to = 1> (image) }
"""


@pytest.fixture
def no_trace(monkeypatch):
    """Tracing a CSNet takes half a minute; its time is not tested here."""
    monkeypatch.setattr(module, "trace", lambda *arguments: (None, onnx.parser.parse_model(MODEL)))


@pytest.mark.usefixtures("no_trace")
def test_counts_agree_with_the_published_ones():
    announced: list[str] = []
    rows = csnet_cost(["csnet-l-x1", "csnet-l-x2"], rounds=1, announce=announced.append)
    assert announced == ["csnet-l-x1", "csnet-l-x2"]
    for row in rows:
        assert row.published == PUBLISHED[row.name]
        assert round(row.num_params / 1000) == row.published.params_k
        assert row.published.gflop is not None
        assert row.multiply_adds < row.published.gflop * 1e9  # theirs also count other layers


def test_the_table_shows_both_forms():
    row = CostRow(
        "csnet-l-x1", PUBLISHED["csnet-l-x1"], 93647, 2.84e8, Timing(60, 62, 9), Timing(30, 31, 9)
    )
    line = cost_table([row]).splitlines()[1]
    for part in ("93,647", "(94 k)", "0.284", "(0.43)", "62.0 ms", "31.0 ms", "2.00x"):
        assert part in line


def test_csf_is_counted_beside_poolnet():
    line = csf_cost()
    assert line.startswith("csf-resnet50: 36,367,169 parameters")
    assert "about 69 M and 35 10^9" in line
