"""Measurement of networks with scores: cost, time and maps of each, grouped by benchmark.

Shapes: `H W` pixels.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.errors import FeatheredgeError
from featheredge.image import load
from featheredge.png import quantise
from featheredge.report import speed
from featheredge.report.collect import Result, ScoredNetwork
from featheredge.report.cost import Cost, count
from featheredge.report.front import pareto_front
from featheredge.resize import fit_inside, resize
from featheredge.session import Session
from featheredge.timing import Timing

_LONGEST_PX = 320


@dataclass(frozen=True)
class Point:
    """A network and its measurements.

    Attributes:
        network: The network and its scores.
        cost: Parameters, and multiply-adds for one picture of `speed.input_size`.
        timing: Times for a picture of that size, in one thread.
        size_px: Height and width of that picture.
        file_bytes: Size of the .onnx file.
        maps: The maps of the example pictures, as JPEG files.
    """

    network: ScoredNetwork
    cost: Cost
    timing: Timing
    size_px: tuple[int, int]
    file_bytes: int
    maps: tuple[bytes, ...]


@dataclass(frozen=True)
class Section:
    """The points of one task and one benchmark, which can be compared.

    Attributes:
        task: "edges" or "saliency".
        benchmark: Pictures and protocol in words.
        points: One or more points.
        scores: For each point, measure -> value.
    """

    task: str
    benchmark: str
    points: tuple[Point, ...]
    scores: tuple[Mapping[str, float], ...]

    @property
    def measures(self) -> list[str]:
        """Names of all measures; the charts show the first one."""
        return list(dict.fromkeys(name for scores in self.scores for name in scores))

    @property
    def values(self) -> list[float]:
        """Value of each point in the charts: its first measure."""
        return [next(iter(scores.values())) for scores in self.scores]

    @property
    def times_ms(self) -> list[float]:
        """Median time of each point; medians vary less between runs than minimum times."""
        return [point.timing.median_ms for point in self.points]

    @property
    def gmacs(self) -> list[float]:
        """Multiply-adds of each point, in units of 10^9."""
        return [point.cost.multiply_adds / 1e9 for point in self.points]

    def front(self, costs: Sequence[float]) -> list[int]:
        """Return the indices of the points on the Pareto front for one cost per point."""
        return pareto_front(costs, self.values)


def load_pictures(files: Sequence[Path]) -> list[NDArray[np.uint8]]:
    """Read example pictures and shrink them to a size that suits a page.

    Returns:
        The pictures, each (H, W, 3) uint8 RGB.

    Raises:
        ImageError: A picture cannot be read.
    """
    pictures = [load(file) for file in files]
    return [resize(p, *fit_inside(p.shape[0], p.shape[1], _LONGEST_PX)) for p in pictures]


def examine(
    networks: Sequence[ScoredNetwork],
    pictures: Sequence[NDArray[np.uint8]],
    measure: Callable[[Mapping[str, Session]], speed.Measurement],
) -> tuple[list[Point], speed.Measurement, list[str]]:
    """Measure every network.

    Args:
        networks: Networks that `collect` returned.
        pictures: The example pictures, each (H, W, 3) uint8 RGB.
        measure: Times all networks together; takes sha256 of a network's file -> session.

    Returns:
        The points, in the order of the networks; their times; and a sentence for each network that
        was skipped, with the reason.
    """
    opened: dict[str, Session] = {}
    examined: list[tuple[ScoredNetwork, str, Cost, tuple[bytes, ...]]] = []
    failures = []
    for network in networks:
        try:
            session, cost, maps = _open(network, pictures)
        except FeatheredgeError as error:
            failures.append(f"{network.name}: {error}")
            continue
        digest = speed.digest(network.file)
        opened[digest] = session
        examined.append((network, digest, cost, maps))
    measured = measure(opened)
    points = [
        Point(
            network=network,
            cost=cost,
            timing=measured.times[digest],
            size_px=speed.input_size(opened[digest]),
            file_bytes=network.file.stat().st_size,
            maps=maps,
        )
        for network, digest, cost, maps in examined
    ]
    return points, measured, failures


def _open(
    network: ScoredNetwork, pictures: Sequence[NDArray[np.uint8]]
) -> tuple[Session, Cost, tuple[bytes, ...]]:
    """Load a network, count its cost and compute its maps."""
    session = Session(network.file, threads=speed.THREADS)
    session.require("edges" if network.task == "edges" else "saliency")
    cost = count(network.file, *speed.input_size(session), session.stride)
    maps = tuple(encode_jpeg(quantise(session(picture))) for picture in pictures)
    return session, cost, maps


def sections(points: Sequence[Point]) -> list[Section]:
    """Group points by task and benchmark; a network with two benchmarks is in two sections."""
    grouped: dict[tuple[str, str], list[tuple[Point, Result]]] = {}
    for point in points:
        for result in point.network.results:
            grouped.setdefault((point.network.task, result.benchmark), []).append((point, result))
    return [
        Section(
            task,
            benchmark,
            tuple(point for point, _ in group),
            tuple(result.scores for _, result in group),
        )
        for (task, benchmark), group in sorted(grouped.items(), key=lambda item: item[0][0])
    ]


def to_json(
    sections: Sequence[Section], measured: speed.Measurement, failures: Sequence[str]
) -> dict[str, Any]:
    """Return all numbers of the report, ready for JSON."""
    return {
        "speed": measured.to_dict(),
        "sections": [_section_to_json(section) for section in sections],
        "left_out": list(failures),
    }


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture, (H, W) or (H, W, 3) uint8, as a small JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80, optimize=True)
    return file.getvalue()


def _section_to_json(section: Section) -> dict[str, Any]:
    by_time, by_macs = section.front(section.times_ms), section.front(section.gmacs)
    return {
        "task": section.task,
        "benchmark": section.benchmark,
        "networks": [
            {
                "name": point.network.name,
                "file": str(point.network.file),
                "chain": point.network.chain,
                "recipe": None if point.network.recipe is None else str(point.network.recipe),
                "scores": dict(scores),
                **asdict(point.cost),
                **asdict(point.timing),
                "size_px": point.size_px,
                "file_bytes": point.file_bytes,
                "front_by_time": i in by_time,
                "front_by_multiply_adds": i in by_macs,
            }
            for i, (point, scores) in enumerate(zip(section.points, section.scores, strict=True))
        ],
    }
