"""Run a model on the pictures of a benchmark, and score the maps that it writes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from featheredge.catalog import Task
from featheredge.datasets.bsds500 import samples
from featheredge.datasets.mask_sets import pictures_in, split_masks
from featheredge.image import load
from featheredge.maps import infer
from featheredge.metrics.edge_evaluate import evaluate_edges
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.metrics.map_files import annotation_files, pair_up
from featheredge.metrics.saliency_evaluate import evaluate_saliency
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.metrics.saliency_scores import SaliencyScores
from featheredge.png import save_map
from featheredge.session import Session


def predict_bsds(
    model: str | Session,
    dataset: Path,
    split: str,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    scales: Sequence[float] = (1.0,),
) -> None:
    """Write the edge map of every picture of a BSDS500 split to `folder/ID.png`.

    Args:
        model: A name in the catalog, the path of an .onnx file, or a session.
        dataset: BSDS500 in its published layout.
        split: One of `train`, `val` and `test`.
        folder: Where the maps go; existing maps are replaced.
        progress: Called with the number of pictures done and their total.
        scales: As in `featheredge.edges`.

    Raises:
        UnknownModelError: The catalog has no such name.
        WeightsError: The file is missing or damaged, is not a Featheredge model, or is not for
            edges.
        ArgumentError: `scales` is empty or not above 0.
        EvaluationError: The data set is not complete.
        ImageError: A picture cannot be read.
        OutputError: A map cannot be written.
    """
    pictures = {picture.id: picture.image for picture in samples(dataset, split)}
    predict_pictures(model, "edges", pictures, folder, progress, scales)


def score_bsds(
    model: str | Session,
    dataset: Path,
    folder: Path,
    *,
    splits: Sequence[str] = ("test",),
    workers: int = 1,
) -> EdgeScores:
    """Run an edge model on BSDS500 and score its maps with the default protocol.

    Args:
        model: A name in the catalog, the path of an .onnx file, or a session.
        dataset: BSDS500 in its published layout.
        folder: Where the maps go; existing maps are replaced.
        splits: One or more of `train`, `val` and `test`; their pictures are scored as one set.
        workers: Number of processes that score.
    """
    for split in splits:
        predict_bsds(model, dataset, split, folder)
    annotations = [file for split in splits for file in annotation_files(dataset, split)]
    return evaluate_edges(pair_up(folder, annotations), EdgeProtocol(), workers=workers)


def score_masks(
    model: str | Session,
    dataset: Path,
    folder: Path,
    *,
    splits: Sequence[str] = ("all",),
    workers: int = 1,
) -> SaliencyScores:
    """Run a saliency model on a data set and score its maps with the default protocol.

    Args:
        model: A name in the catalog, the path of an .onnx file, or a session.
        dataset: A data set in one of `featheredge.datasets.mask_sets.LAYOUTS`.
        folder: Where the maps go; existing maps are replaced.
        splits: Names of lists `SPLIT.txt` in the data set, or "all" for every mask; their
            pictures are scored as one set.
        workers: Number of processes that score.
    """
    masks = split_masks(dataset, splits)
    pictures = pictures_in(dataset, masks)
    predict_pictures(model, "saliency", pictures, folder)
    return evaluate_saliency(pair_up(folder, masks), SaliencyProtocol(), workers=workers)


def predict_pictures(
    model: str | Session,
    task: Task,
    pictures: Mapping[str, Path],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
    scales: Sequence[float] = (1.0,),
) -> None:
    """Write the map of every picture to `folder/ID.png`.

    Args:
        model: A name in the catalog, the path of an .onnx file, or a session.
        task: The task that the model must have.
        pictures: ID -> file.
        folder: Where the maps go; existing maps are replaced.
        progress: Called with the number of pictures done and their total.
        scales: As in `featheredge.edges`.

    Raises:
        UnknownModelError: The catalog has no such name.
        WeightsError: The file is missing or damaged, is not a Featheredge model, or is for
            another task.
        ArgumentError: `scales` is empty or not above 0.
        ImageError: A picture cannot be read.
        OutputError: A map cannot be written.
    """
    session = model if isinstance(model, Session) else Session(model, task=task)
    session.require(task)
    for done, (id, picture) in enumerate(pictures.items(), start=1):
        save_map(infer(session, load(picture), scales=scales), folder / f"{id}.png")
        if progress:
            progress(done, len(pictures))
