"""Search for networks with a score, in run folders and in the catalog.

A folder with `network.onnx` and `score.json` is one network. If the parent folder has a
`report.json` that lists the folder as a step, the network is a step of that chain.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from featheredge import catalog
from featheredge.errors import ArgumentError, EvaluationError
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.run_folder import NETWORK_FILE, RECIPE_FILE, RECIPES_DIR, REPORT_FILE, SCORE_FILE
from featheredge.text_files import read_json

RECIPE_FILES = (RECIPE_FILE, "recipe.toml")

#: Task -> measure -> its keys in score.json. The charts show the first measure.
MEASURES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "edges": {"ODS-F": ("ods", "f"), "OIS-F": ("ois", "f"), "AP": ("ap",)},
    "saliency": {"max-F": ("max_f",), "MAE": ("mae",), "S": ("s_measure",)},
}

#: Hash of the names of a data set's images, as in saliency scores -> name of the data set.
SETS: Mapping[str, str] = {
    "93d0c361a7f3784285eabf9e48c9ccc086cbae4b29895e31ba3845d7c7ac51d1": "SOD",
}


@dataclass(frozen=True)
class Result:
    """Scores of one network on one benchmark.

    Attributes:
        benchmark: Pictures and protocol in words. Only results with the same benchmark are
            compared.
        scores: Measure -> value; the charts show the first one.
    """

    benchmark: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class ScoredNetwork:
    """A network with scores.

    Attributes:
        name: Name in the report.
        task: "edges" or "saliency".
        file: The .onnx file.
        results: Scores on one or more benchmarks.
        shipped: Whether it is a network of the catalog.
        recipe: The recipe file that made it, or None.
        chain: Name of the pruning run that it is a step of, or None.
        step: Number of that step, from 0.
    """

    name: str
    task: str
    file: Path
    results: tuple[Result, ...]
    shipped: bool = False
    recipe: Path | None = None
    chain: str | None = None
    step: int = 0


def collect(
    folders: Sequence[Path], *, with_catalog: bool = True
) -> tuple[list[ScoredNetwork], list[str]]:
    """Find every network with a score.

    Args:
        folders: Run folders, or folders that contain run folders at any depth.
        with_catalog: Whether to include the shipped networks.

    Returns:
        The networks, first those of the catalog in its order, then the others by path; and a
        sentence for each folder that was skipped, with the reason.

    Raises:
        ArgumentError: A folder does not exist.
    """
    networks = _shipped() if with_catalog else []
    failures = []
    for root in folders:
        if not root.is_dir():
            raise ArgumentError(
                f"{root}: no such folder; give a run folder, or a folder with run folders"
            )
        for file in sorted(root.rglob(SCORE_FILE)):
            try:
                networks.append(_read_run(file.parent, root))
            except EvaluationError as error:
                failures.append(str(error))
    return _with_unique_names(networks), failures


def read_score(file: Path) -> tuple[str, Result]:
    """Read a score file: the output of `featheredge eval --json`, or the score.json of a run.

    Returns:
        The task and the result.

    Raises:
        EvaluationError: The file cannot be read, or does not hold a score.
    """
    try:
        stored = read_json(file)
        task = "edges" if "ods" in stored else "saliency"
        scores = {name: _dig(stored, path) for name, path in MEASURES[task].items()}
        words = {"edges": _edge_benchmark, "saliency": _saliency_benchmark}[task](stored)
    except OSError as error:
        raise EvaluationError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{file}: not a score file ({type(error).__name__}: {error}); expected the output of "
            "`featheredge eval --json`, with ods for edges or max_f for saliency"
        ) from error
    return task, Result(words, scores)


def _shipped() -> list[ScoredNetwork]:
    networks = []
    for entry in catalog.list_models():
        recipe = RECIPES_DIR / f"{entry.name}.toml"
        by_benchmark: dict[str, dict[str, float]] = {}
        for score in entry.scores:
            by_benchmark.setdefault(_catalog_benchmark(score), {})[score.measure] = score.value
        if by_benchmark:
            networks.append(
                ScoredNetwork(
                    name=entry.name,
                    task=entry.task,
                    file=catalog.weights_path(entry),
                    results=tuple(Result(words, scores) for words, scores in by_benchmark.items()),
                    shipped=True,
                    recipe=recipe if recipe.is_file() else None,
                )
            )
    return networks


def _read_run(folder: Path, root: Path) -> ScoredNetwork:
    """Read the network of a folder that has a score."""
    task, result = read_score(folder / SCORE_FILE)
    file = folder / NETWORK_FILE
    if not file.is_file():
        raise EvaluationError(
            f"{folder}: has {SCORE_FILE} but no {NETWORK_FILE}; export the network into this folder"
        )
    chain, step = (None, 0) if folder == root else _place_in_chain(folder)
    return ScoredNetwork(
        name=_relative_name(folder, root),
        task=task,
        file=file,
        results=(result,),
        recipe=_recipe_above(folder, root),
        chain=None if chain is None else _relative_name(chain, root),
        step=step,
    )


def _place_in_chain(folder: Path) -> tuple[Path | None, int]:
    """Return the run that lists this folder as a step, and the number of the step."""
    file = folder.parent / REPORT_FILE
    if not file.is_file():
        return None, 0
    try:
        names = [step["name"] for step in read_json(file)["steps"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{file}: not the report of a pruning run ({type(error).__name__}: {error}); expected "
            "an object with `steps`, each with a `name`"
        ) from error
    return (folder.parent, names.index(folder.name)) if folder.name in names else (None, 0)


def _recipe_above(folder: Path, root: Path) -> Path | None:
    """Return the recipe in the folder, or in its nearest parent up to `root`."""
    for place in (folder, *folder.parents):
        for name in RECIPE_FILES:
            if (place / name).is_file():
                return place / name
        if place == root:
            break
    return None


def _relative_name(folder: Path, root: Path) -> str:
    return root.resolve().name if folder == root else folder.relative_to(root).as_posix()


def _with_unique_names(networks: Iterable[ScoredNetwork]) -> list[ScoredNetwork]:
    """Drop files that were found twice; a network whose name is taken is named by its path."""
    by_file: dict[Path, ScoredNetwork] = {}
    names = set()
    for network in networks:
        if network.file.resolve() not in by_file:
            name = str(network.file.parent) if network.name in names else network.name
            by_file[network.file.resolve()] = replace(network, name=name)
            names.add(name)
    return list(by_file.values())


def _dig(stored: Any, path: Sequence[str]) -> float:
    """Return the number at a path of keys."""
    for key in path:
        stored = stored[key]
    if isinstance(stored, bool) or not 0 <= float(stored) <= 1.01:  # a perfect AP is 1.01
        raise ValueError(f"{'.'.join(path)} is {stored}, not a number from 0 to 1")
    return float(stored)


def _edge_benchmark(stored: Mapping[str, Any]) -> str:
    """Describe the benchmark in the words of the catalog, so that both share one chart."""
    protocol = stored["protocol"]
    return (
        f"BSDS500 boundaries, {stored['num_images']} pictures, single scale, {protocol['nms']} "
        f"suppression, {protocol['thresholds']} thresholds, tolerance {protocol['max_dist']:g} of "
        f"the diagonal, {protocol['matching']} matching"
    )


def _saliency_benchmark(stored: Mapping[str, Any]) -> str:
    """Describe the benchmark, with the name of the data set if the names of its images are known.

    The words are those of the catalog, so that runs and shipped networks share one chart.
    """
    protocol = SaliencyProtocol(stored["protocol"]["name"])
    words = f"{stored['num_images']} pictures; {protocol.describe()}"
    name = SETS.get(stored.get("names_sha256", ""))
    return words if name is None else f"{name}; {words}"


def _catalog_benchmark(score: catalog.Score) -> str:
    """Return the protocol, with the data set in front if the protocol does not name it."""
    named = score.dataset.split()[0] in score.protocol
    return score.protocol if named else f"{score.dataset}; {score.protocol}"
