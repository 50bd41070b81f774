"""The result of a benchmark: rows that print as a table, and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from featheredge.bench.machine import Peak
from featheredge.bench.subject import Cost
from featheredge.timing import Timing


@dataclass(frozen=True)
class Row:
    """The measurements of one subject at one size.

    Attributes:
        name: Name of the subject.
        form: The fastest of its forms; None if it only runs from file to file.
        size: Height and width of the picture in pixels.
        network: Times of the network alone; a network with a fixed square is timed on its square.
        times_faster: Median over the rounds of the baseline's time over its own.
        path: Times from the bytes of a JPEG file to those of a PNG file.
        path_times_faster: The same ratio for the path.
        cost: Parameters, multiply-adds, traffic and file size.
        peak_bytes: Peak memory of a fresh process that runs it once.
    """

    name: str
    form: str | None
    size: tuple[int, int]
    network: Timing | None
    times_faster: float | None
    path: Timing | None
    path_times_faster: float | None
    cost: Cost
    peak_bytes: int | None

    def share_of_peak(self, peak: Peak) -> tuple[float | None, float | None]:
        """Return the shares of the matrix product's and of the copy's speed, by median time."""
        if self.network is None:
            return None, None
        seconds = self.network.median_ms / 1e3
        macs, moved = self.cost.multiply_adds, self.cost.traffic_bytes
        return (
            None if macs is None else 2 * macs / seconds / 1e9 / peak.gflops,
            None if moved is None else moved / seconds / 1e9 / peak.copy_gb,
        )


@dataclass(frozen=True)
class Bench:
    """A benchmark at one size.

    Attributes:
        machine: Output of `featheredge.bench.machine.describe`.
        baseline: Name of the row that the others are compared with.
        rounds: Number of rounds.
        clock: What the clock measures.
        peak: The machine's peak in the same rounds.
        rows: A row for each subject.
    """

    machine: Mapping[str, Any]
    baseline: str
    rounds: int
    clock: str
    peak: Peak
    rows: Sequence[Row]

    def to_dict(self) -> dict[str, Any]:
        """Return all values, ready for JSON."""
        rows = []
        for row in self.rows:
            compute, traffic = row.share_of_peak(self.peak)
            shares = {"share_of_matrix_product": compute, "share_of_copy": traffic}
            rows.append({**asdict(row), **shares})
        return {**asdict(self), "rows": rows}

    def __str__(self) -> str:
        height, width = self.rows[0].size
        header = (
            f"{'':22} {'ms':>8} {'min':>8} {'IQR':>7} {'faster':>7} {'path ms':>8} {'faster':>7} "
            f"{'params':>11} {'GMAC':>7} {'MB':>6} {'RSS MB':>7} {'peak':>5} {'copy':>5}"
        )
        machine, peak = self.machine, self.peak
        threads = "1 thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
        return "\n".join(
            [
                f"{width}x{height}, {threads}, {self.rounds} rounds, {self.clock}",
                header,
                *(self._line(row) for row in self.rows),
                "ms: median of the network alone, in its fastest form; path: from JPEG to PNG, an "
                "edge map or a cut-out",
                f"faster: times faster than {self.baseline}, median of the ratios of each round; "
                "RSS: peak of a fresh process",
                f"peak, copy: share of this run's matrix product ({peak.gflops:.0f} GFLOP/s) and "
                f"copy ({peak.copy_gb:.1f} GB/s)",
                f"{machine['cpu']}, load {machine['load_1_min']}, ONNX Runtime "
                f"{machine['versions'].get('onnxruntime')}, commit {machine['commit']}",
                *(f"{row.name}: {row.form}" for row in self.rows if row.form),
            ]
        )

    def _line(self, row: Row) -> str:
        network, path, cost = row.network, row.path, row.cost
        compute, traffic = row.share_of_peak(self.peak)
        cells = (
            (network and network.median_ms, 8, ".1f"),
            (network and network.min_ms, 8, ".1f"),
            (network and network.iqr_ms, 7, ".1f"),
            (row.times_faster, 7, ".2f"),
            (path and path.median_ms, 8, ".1f"),
            (row.path_times_faster, 7, ".2f"),
            (cost.num_params, 11, ",d"),
            (cost.multiply_adds and cost.multiply_adds / 1e9, 7, ".2f"),
            (cost.file_bytes and cost.file_bytes / 1e6, 6, ".2f"),
            (row.peak_bytes and row.peak_bytes / 1e6, 7, ".0f"),
            (compute, 5, ".0%"),
            (traffic, 5, ".0%"),
        )
        texts = (
            ("" if value is None else format(value, kind)).rjust(width)
            for value, width, kind in cells
        )
        return f"{row.name[-22:]:22} {' '.join(texts)}"
