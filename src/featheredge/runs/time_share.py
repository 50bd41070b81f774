"""Measure the time of a network with planned counts as a share of the unpruned network's.

Shapes: B batch, C channels, H W pixels.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from torch import Tensor, nn

from featheredge.channels.cut import cut
from featheredge.runs.network_source import NetworkSource
from featheredge.timing import clock_for, paired_ratio, time_rounds

N = TypeVar("N", bound=nn.Module)


def share_of_time(
    source: NetworkSource[N],
    unpruned: Path,
    counts: Mapping[str, int],
    example: Tensor,
    *,
    threads: int,
    rounds: int,
) -> float:
    """Measure the time of a network with these counts over that of the unpruned one.

    It is the median over the rounds of one time over the other.

    This is measured before units are chosen: time depends on how many units are kept, not on which
    ones, so the first units of each group are kept.

    Args:
        source: The network to prune.
        unpruned: Its ONNX file, written by `source.export`.
        counts: Group -> units to keep; other groups stay whole.
        example: (B, C, H, W) float input that the network can be traced with.
        threads: Threads of ONNX Runtime.
        rounds: Number of runs of each network, interleaved.
    """
    keep = {group: range(n) for group, n in counts.items()}
    pruned = cut(source.network, keep, example=example)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pruned.onnx"
        source.export(pruned, file)
        cases = {
            "unpruned": source.timing_case(unpruned, threads),
            "pruned": source.timing_case(file, threads),
        }
    times = time_rounds(cases, rounds, clock_for(threads).read)
    return paired_ratio(times["pruned"], times["unpruned"])
