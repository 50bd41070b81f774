"""Reproduce what CSNet costs: parameters, multiply-adds and time, as published and rewritten."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch

from featheredge.deploy.export import trace
from featheredge.deploy.rewrite.apply import rewrite
from featheredge.models.build import create_model
from featheredge.models.cost import multiply_adds, num_params
from featheredge.onnx_runtime import onnx_session
from featheredge.timing import Timing, clock_for, cpu_model, time_cases

#: Side in pixels of the square that CSNet sees.
SIDE_PX = 224


@dataclass(frozen=True)
class PublishedCost:
    """What the authors state of a network.

    Attributes:
        params_k: Parameters in thousands; None if not stated.
        gflop: 10^9 operations at `SIDE_PX`. The authors count one for each multiply-add, and also
            4 for each value of a batch norm, 3 of a PReLU and 9 of an interpolation.
    """

    params_k: int | None = None
    gflop: float | None = None


#: Gao et al., ECCV 2020, and the authors' repository.
PUBLISHED = {
    "csnet-x1": PublishedCost(gflop=0.61),
    "csnet-l-x1": PublishedCost(94, 0.43),
    "csnet-x2": PublishedCost(),
    "csnet-l-x2": PublishedCost(141, 0.72),
}

#: Parameters and operations of CSF on ResNet-50, as shares of PoolNet's on the same ResNet (Gao et
#: al., ECCV 2020). Both networks reach about the same score.
CSF_OF_POOLNET = (0.53, 0.21)


@dataclass(frozen=True)
class CostRow:
    """The cost of one network, measured beside the published one.

    Attributes:
        name: Name of the network.
        published: What the authors state.
        num_params: Number of parameters.
        multiply_adds: Multiply-adds of its convolutions for one picture of `SIDE_PX`.
        plain: Time of the network as published, one thread.
        rewritten: Time with exact rewrites, interleaved with `plain`.
    """

    name: str
    published: PublishedCost
    num_params: int
    multiply_adds: float
    plain: Timing
    rewritten: Timing

    @property
    def times_faster(self) -> float:
        """Median time as published, divided by that with rewrites."""
        return self.plain.median_ms / self.rewritten.median_ms


def csnet_cost(
    names: Sequence[str] = tuple(PUBLISHED),
    rounds: int = 20,
    announce: Callable[[str], object] = lambda line: None,
) -> list[CostRow]:
    """Count and time networks of the CSNet family, with random weights, on one thread.

    Weights do not change the time. All slopes differ from zero, as in the published weights.

    Args:
        names: Names of networks, of those in `PUBLISHED`.
        rounds: Rounds of the timing.
        announce: Called with the name of each network when it starts.
    """
    return [_row(name, rounds, announce) for name in names]


def cost_table(rows: Sequence[CostRow]) -> str:
    """Format the rows as text; the published values are in brackets."""
    lines = [
        f"{'network':12} {'parameters':>16} {'10^9 MACs':>10} {'(10^9 ops)':>10} "
        f"{'as published':>16} {'rewritten':>16} {'faster':>7}"
    ]
    for row in rows:
        params = f" ({row.published.params_k} k)" if row.published.params_k else ""
        gflop = f"({row.published.gflop:.2f})" if row.published.gflop else ""
        plain, fast = row.plain, row.rewritten
        lines.append(
            f"{row.name:12} {row.num_params:>8,}{params:>8} {row.multiply_adds / 1e9:>10.3f} "
            f"{gflop:>10} {plain.min_ms:>6.1f} /{plain.median_ms:>6.1f} ms "
            f"{fast.min_ms:>6.1f} /{fast.median_ms:>6.1f} ms {row.times_faster:>6.2f}x"
        )
    lines.append(
        f"at {SIDE_PX}x{SIDE_PX}; minimum / median {clock_for(1).name}, ONNX Runtime, one thread, "
        f"{cpu_model()}"
    )
    lines.append(
        "in brackets: the authors' values; their operations also count norms, PReLU and resizing"
    )
    return "\n".join(lines)


def csf_cost() -> str:
    """Count CSF on ResNet-50, and what its published shares mean for PoolNet, as one line."""
    name = "csf-resnet50"
    params = num_params(create_model(name))
    cost = multiply_adds(lambda: create_model(name), SIDE_PX, SIDE_PX)
    of_params, of_operations = CSF_OF_POOLNET
    return (
        f"{name}: {params:,} parameters, {cost / 1e9:.2f} 10^9 MACs; the authors state "
        f"{of_params:.0%} and {of_operations:.0%} of PoolNet's, so PoolNet has about "
        f"{params / of_params / 1e6:.0f} M and {cost / of_operations / 1e9:.0f} 10^9"
    )


def _row(name: str, rounds: int, announce: Callable[[str], object]) -> CostRow:
    announce(name)
    torch.manual_seed(0)
    network = create_model(name)
    _, plain = trace(network, name, "saliency", SIDE_PX, "fp32")
    rewritten, _ = rewrite(plain, input_px=SIDE_PX)
    times = _time({"plain": plain, "rewritten": rewritten}, rounds)
    cost = multiply_adds(lambda: create_model(name), SIDE_PX, SIDE_PX)
    return CostRow(
        name, PUBLISHED[name], num_params(network), cost, times["plain"], times["rewritten"]
    )


def _time(models: dict[str, onnx.ModelProto], rounds: int) -> dict[str, Timing]:
    """Time models on one picture, interleaved."""
    image = np.random.default_rng(0).integers(0, 256, (1, SIDE_PX, SIDE_PX, 3), np.uint8)
    sessions = {case: onnx_session(model.SerializeToString()) for case, model in models.items()}
    cases = {
        case: lambda session=session: session.run(None, {"image": image})
        for case, session in sessions.items()
    }
    return time_cases(cases, rounds, clock_for(1).read)
