"""Reproduce table 1 of the first paper: what its networks and ours cost on this machine.

The paper compares RCF with a pruned RCF and with two students on MobileNetV2. Each network is
exported and timed in its fastest form, all interleaved in one run. Scores need trained weights and
BSDS500; the published ones stand beside ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featheredge.bench.machine import describe
from featheredge.bench.measure import measure
from featheredge.bench.networks import exported_file, open_network
from featheredge.bench.result import Row as BenchRow
from featheredge.deploy.acceptance import score_session
from featheredge.models.build import create_model, load_trained
from featheredge.models.network import Network
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.models.vgg import VGG16_WIDTHS
from featheredge.session import Session

#: Height and width of the picture.
SIZE = (1000, 1000)

#: The paper gives no widths of its pruned RCF, but says that it is 2.8 times faster. This share of
#: every width leaves 1 / 2.8 of the multiply-adds.
_PRUNED_SHARE, _MULTIPLE = 0.6, 8


@dataclass(frozen=True)
class Entry:
    """A network of the table.

    Attributes:
        what: Description.
        make: Builds the network, with trained weights if there are any.
        trained: Whether it has trained weights, which can be scored.
        published_ods: ODS-F in the paper; None if the paper does not have it.
        published_times_faster: How many times faster than RCF the paper says it is, or None.
    """

    what: str
    make: Callable[[], Network]
    trained: bool
    published_ods: float | None = None
    published_times_faster: float | None = None


@dataclass(frozen=True)
class Line:
    """A line of the reproduced table.

    Attributes:
        what: Description.
        measured: Time, memory and cost, see `featheredge.bench.result.Row`.
        ods: ODS-F on BSDS500 test; None without weights or data.
        published_ods: The same in the paper, or None.
        published_times_faster: How many times faster than RCF the paper says it is, or None.
    """

    what: str
    measured: BenchRow
    ods: float | None
    published_ods: float | None
    published_times_faster: float | None


@dataclass(frozen=True)
class Table:
    """The reproduced table; prints as text.

    Attributes:
        machine: Output of `featheredge.bench.machine.describe`.
        lines: The networks, RCF first.
        rounds: Number of timing rounds.
    """

    machine: dict[str, Any]
    lines: Sequence[Line]
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """Return all values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        header = (
            f"{'network':34} {'params':>11} {'MB':>6} {'RSS MB':>7} {'ms':>8} {'faster':>7} "
            f"{'paper':>6} {'ODS':>7} {'paper':>7}"
        )
        machine = self.machine
        threads = "1 thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
        return "\n".join(
            [
                header,
                *(_format(line) for line in self.lines),
                f"ms: median, {SIZE[1]}x{SIZE[0]}, {threads}, {self.rounds} rounds, each network "
                "in its fastest form; RSS: peak of a fresh process",
                "faster: times faster than RCF, median of the ratios of each round; paper: the "
                "published value",
                f"{machine['cpu']}, load {machine['load_1_min']}",
            ]
        )


def entries(teacher: str | None, pruned: str | None) -> list[Entry]:
    """Return the networks of the table, RCF first.

    Args:
        teacher: Trained RCF, an argument of `featheredge.models.build.load_trained`; None takes
            random weights, which have no score.
        pruned: The same for a pruned RCF; None takes 0.6 of every width.
    """

    def ours(name: str) -> Callable[[], Network]:
        return lambda: create_model(name, pretrained=True).eval()

    def or_random(source: str | None, config: RCFConfig) -> Callable[[], Network]:
        return lambda: RCF(config).eval() if source is None else load_trained(source)

    return [
        Entry("RCF (VGG16)", or_random(teacher, RCFConfig()), teacher is not None, 0.8115, 1),
        Entry("pruned RCF", or_random(pruned, _pruned_rcf()), pruned is not None, 0.7264, 2.8),
        Entry(
            "student with side outputs",
            lambda: create_model("mobile-edge-v1", widths={"side_outputs": True}).eval(),
            False,
            0.7754,
        ),
        Entry(
            "student: mobile-edge-v1",
            lambda: create_model("mobile-edge-v1").eval(),
            False,
            0.7873,
            6,
        ),
        Entry("mobile-edge", ours("mobile-edge"), True),
        Entry("mobile-edge-s", ours("mobile-edge-s"), True),
        Entry("mobile-edge-xs", ours("mobile-edge-xs"), True),
    ]


def table1(
    networks: Sequence[Entry],
    *,
    bsds: Path | None = None,
    threads: int = 1,
    rounds: int = 10,
    size: tuple[int, int] = SIZE,
) -> Table:
    """Measure every network, and score those with trained weights.

    Args:
        networks: The networks, the baseline first.
        bsds: BSDS500 in its published layout; None leaves scores out.
        threads: Threads for inference.
        rounds: Number of timing rounds.
        size: Height and width of the picture.
    """
    machine = describe(threads)
    with TemporaryDirectory() as name:
        folder = Path(name)
        subjects = [
            open_network(each.what, each.make(), folder, threads, trained=each.trained)
            for each in networks
        ]
        rows, _ = measure(subjects, networks[0].what, size, threads=threads, rounds=rounds)
        lines = [
            Line(
                each.what,
                row,
                _ods(exported_file(folder, each.what), bsds) if each.trained else None,
                each.published_ods,
                each.published_times_faster,
            )
            for each, row in zip(networks, rows, strict=True)
        ]
    return Table(machine, lines, rounds)


def _pruned_rcf() -> RCFConfig:
    def fewer(width: int) -> int:
        return max(_MULTIPLE, round(width * _PRUNED_SHARE / _MULTIPLE) * _MULTIPLE)

    one, two, three, four, five = (tuple(map(fewer, stage)) for stage in VGG16_WIDTHS)
    return RCFConfig(widths=(one, two, three, four, five))


def _ods(file: Path, bsds: Path | None) -> float | None:
    return None if bsds is None else score_session(Session(file), bsds)[1]


def _format(line: Line) -> str:
    row = line.measured
    cells = (
        (row.cost.num_params, 11, ",d"),
        (row.cost.file_bytes and row.cost.file_bytes / 1e6, 6, ".2f"),
        (row.peak_bytes and row.peak_bytes / 1e6, 7, ".0f"),
        (row.network and row.network.median_ms, 8, ".1f"),
        (row.times_faster, 7, ".1f"),
        (line.published_times_faster, 6, ".1f"),
        (line.ods, 7, ".4f"),
        (line.published_ods, 7, ".4f"),
    )
    texts = (
        ("" if value is None else format(value, kind)).rjust(width) for value, width, kind in cells
    )
    return f"{line.what:34} {' '.join(texts)}"
