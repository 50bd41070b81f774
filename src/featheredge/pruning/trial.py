"""How long a network would take if it were pruned as planned: measured, before any unit is chosen.

Time depends on how many units are left and not on which, so the first ones of each group will do.

Shapes: B batch, C channels, H W pixels.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from featheredge.channels.cut import cut
from featheredge.pruning.source import Source
from featheredge.timing import clock_for, time_cases


def share_of_time(
    source: Source,
    whole: Path,
    counts: Mapping[str, int],
    example: Tensor,
    *,
    threads: int,
    rounds: int,
) -> float:
    """The least time of a network with these counts over that of the whole one.

    Args:
        source: what is pruned.
        whole: its file, as `source.export` wrote it.
        counts: group -> units to keep; other groups stay whole.
        example: (B, C, H, W) that the network can be traced with.
        threads: of ONNX Runtime.
        rounds: how often either is run, in turns.
    """
    keep = {group: range(n) for group, n in counts.items()}
    pruned = cut(source.network, keep, example=example)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pruned.onnx"
        source.export(pruned, file)
        cases = {"whole": source.case(whole, threads), "pruned": source.case(file, threads)}
    times = time_cases(cases, rounds, clock_for(threads).read)
    return times["pruned"].min_ms / times["whole"].min_ms
