"""From networks with scores to points: what each costs, how long it takes, what its maps look like.

Shapes: H W pixels.
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
from featheredge.image import load, quantise
from featheredge.report import speed
from featheredge.report.collect import Result, ScoredNetwork
from featheredge.report.cost import Cost, count
from featheredge.report.front import pareto_front
from featheredge.resize import fit_inside, resize
from featheredge.session import Session
from featheredge.timing import Timing

EXAMPLES = tuple(Path(__file__).parent / name for name in ("coffee.jpg", "cat.jpg"))
_LONGEST_PX = 320


@dataclass(frozen=True)
class Point:
    """One network, measured.

    Attributes:
        network: What was measured.
        cost: Parameters and multiply-adds for one picture of `speed.input_size`.
        timing: For the same picture, in milliseconds of one thread.
        size_px: Height and width of that picture.
        file_bytes: Size of the .onnx file.
        maps: A JPEG for each example picture.
    """

    network: ScoredNetwork
    cost: Cost
    timing: Timing
    size_px: tuple[int, int]
    file_bytes: int
    maps: tuple[bytes, ...]


@dataclass(frozen=True)
class Section:
    """What is compared with each other: points of one task, scored on one benchmark.

    Attributes:
        task: "edges" or "saliency".
        benchmark: Pictures and protocol in words.
        points: At least one.
        scores: Those of each point.
    """

    task: str
    benchmark: str
    points: tuple[Point, ...]
    scores: tuple[Mapping[str, float], ...]

    @property
    def measures(self) -> list[str]:
        """Every measure that a point has; the first is the one that is drawn."""
        return list(dict.fromkeys(name for scores in self.scores for name in scores))

    @property
    def values(self) -> list[float]:
        """The drawn measure of each point."""
        return [next(iter(scores.values())) for scores in self.scores]

    @property
    def times_ms(self) -> list[float]:
        """The least time of each point."""
        return [point.timing.min_ms for point in self.points]

    @property
    def gmacs(self) -> list[float]:
        """10^9 multiply-adds of each point."""
        return [point.cost.multiply_adds / 1e9 for point in self.points]

    def front(self, costs: Sequence[float]) -> list[int]:
        """Which points nothing beats at these costs."""
        return pareto_front(costs, self.values)


def load_pictures(files: Sequence[Path]) -> list[NDArray[np.uint8]]:
    """Read example pictures, (H, W, 3) uint8 each, made small enough to be put into a page.

    Raises:
        ImageError: One cannot be read.
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
        networks: What `collect` found.
        pictures: (H, W, 3) uint8; each network makes its maps of them.
        measure: Times all of them together, by the sha256 of their files.

    Returns:
        The points, in the order of the networks; their times; and what is wrong with each network
        that had to be left out.
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
    """Load a network, count its cost, make its maps."""
    session = Session(network.file, threads=speed.THREADS)
    session.require("edges" if network.task == "edges" else "saliency")
    cost = count(network.file, *speed.input_size(session), session.stride)
    maps = tuple(encode_jpeg(quantise(session(picture))) for picture in pictures)
    return session, cost, maps


def sections(points: Sequence[Point]) -> list[Section]:
    """Sort points by task and benchmark; a network scored on two benchmarks is in both."""
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
    """Everything in the report but the pictures, ready for JSON."""
    return {
        "speed": measured.to_dict(),
        "sections": [_section_to_json(section) for section in sections],
        "left_out": list(failures),
    }


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W) or (H, W, 3) uint8 as a small JPEG file."""
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
