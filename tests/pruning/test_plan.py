"""Plans: the pruned networks meet the budgets."""

import json
from collections import Counter
from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError
from torch import nn

from featheredge.channels.cut import cut
from featheredge.channels.groups import find_groups
from featheredge.channels.ties import find_ties
from featheredge.errors import ArgumentError
from featheredge.models.csnet import CSNet, fixed_split
from featheredge.models.pidinet import PiDiNet, PiDiNetConfig
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.pruning.budget import Budget
from featheredge.pruning.convolutions import find_convolutions
from featheredge.pruning.error_curves import error_curves
from featheredge.pruning.group_error import Sampling
from featheredge.pruning.plan import make_plan, ratio_counts
from featheredge.pruning.prune import prune
from toys import toy_network

SIZE = (33, 47)
EXAMPLE = torch.zeros(1, 3, *SIZE)


class Custom(nn.Module):
    """A module with a residual sum, a depthwise and a transposed layer, and a concatenation."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.inner = nn.Conv2d(16, 16, 3, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.side = nn.Conv2d(16, 12, 1)
        self.mix = nn.Conv2d(28, 10, 1)
        self.up = nn.ConvTranspose2d(10, 6, 2, stride=2)
        self.last = nn.Conv2d(6, 1, 1)

    def forward(self, image):
        x = F.relu(self.stem(image))
        x = F.relu(self.depthwise(x + self.inner(x)))
        x = F.relu(self.mix(torch.cat([x, F.relu(self.side(x))], 1)))
        return self.last(F.relu(self.up(x)))


NETWORKS = {
    "MobileEdge": toy_network,
    "RCF": lambda: RCF(RCFConfig(((8, 8), (12, 12), (12, 12, 12), (12, 12, 12), (12, 12, 12)), 5)),
    "PiDiNet": lambda: PiDiNet(PiDiNetConfig((8, 12, 16, 16), context=8)).deployable(),
    "CSNet": lambda: CSNet(fixed_split(8)),
    "custom": Custom,
}


def build(kind):
    torch.manual_seed(0)
    return NETWORKS[kind]().eval()


def sampling(pictures=2, points=20):
    noise = torch.rand(pictures, 3, 36, 36, generator=torch.Generator().manual_seed(1))
    return Sampling(list(F.avg_pool2d(noise, 5, 1).mul(4).split(1)), points=points)


def work(convolutions):
    """A stopwatch by which each multiply-add takes a microsecond."""
    return {c: c.multiply_adds / 1e3 for c in convolutions}


def counted(network):
    found = find_convolutions(network, EXAMPLE)
    return sum(c.multiply_adds for _, c in found)


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[pytest.mark.slow] * (k == "CSNet")) for k in NETWORKS]
)
def test_the_pruned_network_has_the_planned_cost(kind):
    network = build(kind)
    plan = make_plan(network, Budget(macs=0.6, multiple=2, size=SIZE), sampling())
    smaller, _ = prune(network, plan.counts, sampling())
    assert plan.macs == (counted(network), counted(smaller))
    assert 0.3 < plan.macs[1] / plan.macs[0] <= 0.6
    groups = find_groups(network, torch.zeros(1, 3, 36, 36))
    for name, count in plan.counts.items():
        assert max(1, 0.125 * groups[name].size) <= count < groups[name].size
        assert count % 2 == 0 or groups[name].size <= 2
    assert plan.errors.keys() == plan.counts.keys()
    assert plan.latency_ms is None
    assert json.loads(json.dumps(asdict(plan)))["counts"] == plan.counts


@pytest.mark.parametrize("kind", ["MobileEdge", "RCF", "PiDiNet", "custom"])
def test_the_planned_time_is_the_sum_over_the_layers(kind):
    network = build(kind)
    budget = Budget(latency=0.7, multiple=1, size=SIZE)
    plan = make_plan(network, budget, sampling(), stopwatch=work)
    smaller, _ = prune(network, plan.counts, sampling())
    # Interpolation is exact for layers whose two widths belong to different groups.
    assert plan.latency_ms[0] == pytest.approx(counted(network) / 1e3)
    assert plan.latency_ms[1] == pytest.approx(counted(smaller) / 1e3, rel=0.02)
    assert plan.latency_ms[1] <= 0.7 * plan.latency_ms[0] * (1 + 1e-6)


def test_the_whole_network_meets_a_budget_in_time():
    """Three tenths of the time are spent outside the convolutions."""
    network, asked = build("custom"), []

    def measure_share(counts):
        asked.append(dict(counts))
        smaller = cut(network, {group: range(n) for group, n in counts.items()}, example=EXAMPLE)
        return 0.3 + 0.7 * counted(smaller) / counted(network)

    budget = Budget(latency=0.7, multiple=1, size=SIZE)
    plan = make_plan(network, budget, sampling(), stopwatch=work, measure_share=measure_share)
    assert plan.share_of_time == measure_share(plan.counts)
    assert 0.6 < plan.share_of_time <= 0.7 * 1.02
    assert plan.latency_ms[1] / plan.latency_ms[0] == pytest.approx(4 / 7, abs=0.1)
    times = Counter(json.dumps(counts) for counts in asked)
    assert max(times.values()) <= 3, "a trial is timed once, and the taken ones once more"
    assert times[json.dumps(dict(plan.counts))] == 3, "twice by the plan, and once by this test"
    with pytest.raises(ArgumentError, match=r"latency = 0\.3 is out of reach.*share is 0\.\d+"):
        make_plan(
            network,
            Budget(latency=0.3, size=SIZE),
            sampling(),
            stopwatch=work,
            measure_share=measure_share,
        )


def test_the_group_that_takes_the_time_shrinks():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Conv2d(16, 1, 1)]
    network = nn.Sequential(*layers)

    def slow(where):
        """Only one layer takes time, found by the columns of its kernel."""
        return lambda found: {c: 1e-6 + c.rows * (c.columns == where) for c in found}

    for where, group in ((3, "0"), (16, "2")):
        budget = Budget(latency=0.5, multiple=2, keep=() if group == "0" else ("0",), size=SIZE)
        plan = make_plan(network, budget, sampling(points=60), stopwatch=slow(where))
        assert plan.counts[group] <= 10
        assert set(plan.counts) == {group}


def test_layers_are_timed_once_at_their_widths_and_map_sizes():
    asked = []

    def stopwatch(convolutions):
        asked.append(list(convolutions))
        return work(convolutions)

    network = build("custom")
    make_plan(network, Budget(latency=0.8, multiple=8, size=SIZE), sampling(), stopwatch=stopwatch)
    assert len(asked) == 1
    (asked,) = asked
    stem = [c for c in asked if c.columns == 3]
    assert [c.rows for c in stem] == [8, 16]
    assert {c.reads for c in stem} == {SIZE}
    depthwise = [c for c in asked if c.groups > 1]
    assert {(c.rows, c.columns, c.groups) for c in depthwise} == {(8, 1, 8), (16, 1, 16)}


def test_ratios_are_rounded_to_possible_counts():
    network = build("custom")
    plan = make_plan(network, Budget(ratio=0.5, multiple=8), sampling(points=60))
    assert plan.counts == {"stem": 8, "side": 8}
    unmeasured = ratio_counts(network, Budget(ratio=0.5, multiple=8), EXAMPLE)
    assert unmeasured == plan.counts
    assert "up is ConvTranspose2d" in plan.whole["up.bias"]
    assert plan.whole["mix"] == "is not read by any plain convolution"
    measured = error_curves(network, {"side": [8]}, sampling(points=60))[0]
    assert plan.errors["side"] == pytest.approx(measured.error)
    at_random = make_plan(
        network, Budget(ratio=0.5, multiple=8), sampling(points=60), criterion="random"
    )
    assert at_random.errors["side"] != plan.errors["side"]


def test_groups_that_share_a_width_shrink_together():
    network = build("RCF")
    ties = find_ties(network, find_groups(network))
    downs = tuple(f"downs.{stage}.0" for stage in range(5))
    assert downs in ties
    plan = make_plan(network, Budget(ratio=0.5, multiple=2, size=SIZE), sampling())
    assert len({plan.counts[name] for name in downs}) == 1
    assert prune(network, plan.counts, sampling())[0].config.side == plan.counts["downs.0.0"]
    kept = make_plan(network, Budget(ratio=0.5, keep=("downs.1",), size=SIZE), sampling())
    assert kept.whole["downs.1.0"] == "is listed in budget.keep"
    assert {kept.whole[name] for name in downs if name != "downs.1.0"} == {
        "must be as wide as downs.1.0"
    }


def test_a_plan_says_why_a_group_stays_whole():
    network = build("PiDiNet")
    plan = make_plan(network, Budget(ratio=0.5, keep=("init_block",)), sampling())
    assert plan.whole["init_block"] == "is listed in budget.keep"
    assert "constant width" in plan.whole["attentions.0.conv1"]
    linear = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    linear = nn.Sequential(*linear, nn.Linear(4, 2))
    assert "Linear" in make_plan(linear, Budget(ratio=0.5), sampling()).whole["0"]


@pytest.mark.parametrize(
    ("budget", "options", "message"),
    [
        (Budget(macs=0.01), {}, r"macs = 0\.01 is out of reach.*raise macs"),
        (
            Budget(latency=0.9, keep=("",)),
            {"stopwatch": work},
            r"latency = 0\.9 .*smallest share is 1;",
        ),
        (
            Budget(ratio=0.5, keep=("nowhere",)),
            {},
            "no group begins with 'nowhere'; choose from stem",
        ),
        (Budget(ratio=0.5), {"criterion": "lassso"}, "choose one of lasso, magnitude"),
    ],
)
def test_budgets_out_of_reach_and_unknown_names_raise(budget, options, message):
    with pytest.raises(ArgumentError, match=message):
        make_plan(build("custom"), budget, sampling(), **options)
    with pytest.raises(ArgumentError, match="inputs is empty"):
        make_plan(build("custom"), budget, Sampling([]), **options)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "got none"),
        ({"macs": 0.5, "latency": 0.5}, "got macs and latency"),
        ({"macs": 1.5}, "less than or equal to 1"),
        ({"ratio": 0.1}, "less than least"),
        ({"macs": 0.5, "most": 3}, "most"),
    ],
)
def test_contradictory_budgets_raise(fields, message):
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Budget).validate_python(fields)


@pytest.mark.parametrize(
    ("units", "counts"), [(20, [20, 16, 8]), (8, [8, 7, 6, 5, 4]), (24, [24, 16]), (1, [1])]
)
def test_counts_that_a_group_may_keep(units, counts):
    assert Budget(macs=0.5, least=0.5 if units != 20 else 0.3).counts(units) == counts
