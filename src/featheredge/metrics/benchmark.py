"""Let a model predict the pictures of a benchmark, as the files that are then scored."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from featheredge.catalog import Task
from featheredge.datasets.bsds500 import samples
from featheredge.datasets.mask_sets import picture_folder, pictures_of, split_masks
from featheredge.image import save_map
from featheredge.metrics.edge_evaluate import evaluate_edges
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.metrics.map_files import annotation_files, pair_up
from featheredge.metrics.saliency_evaluate import evaluate_saliency
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.metrics.saliency_scores import SaliencyScores
from featheredge.session import Session


def predict_bsds(
    model: str,
    dataset: Path,
    split: str,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the map of every picture to ``folder/ID.png``, as `featheredge edges` does.

    Args:
        model: a name in the catalog or the path of an .onnx file.
        dataset: BSDS500 in its own layout.
        split: train, val or test.
        folder: where to; maps of the same name are replaced.
        progress: called with the number of pictures done and their total.

    Raises:
        UnknownModelError: the catalog has no such name.
        WeightsError: the model's file is missing, damaged, not one of ours, or not for edges.
        EvaluationError: the data set is not complete.
        ImageError: a picture cannot be read.
        OutputError: a map cannot be written.
    """
    pictures = {picture.id: picture.image for picture in samples(dataset, split)}
    predict_pictures(model, "edges", pictures, folder, progress)


def score_bsds(
    model: str, dataset: Path, folder: Path, *, splits: Sequence[str] = ("test",), workers: int = 1
) -> EdgeScores:
    """Let a model predict pictures of BSDS500, and score it by the default protocol.

    Args:
        model: a name in the catalog or the path of an .onnx file.
        dataset: BSDS500 in its own layout.
        folder: where the maps go.
        splits: train, val and test, joined.
        workers: processes that score.
    """
    for split in splits:
        predict_bsds(model, dataset, split, folder)
    annotations = [file for split in splits for file in annotation_files(dataset, split)]
    return evaluate_edges(pair_up(folder, annotations), EdgeProtocol(), workers=workers)


def score_masks(
    model: str, dataset: Path, folder: Path, *, splits: Sequence[str] = ("all",), workers: int = 1
) -> SaliencyScores:
    """Let a model predict the pictures of a saliency set, and score it by the default protocol.

    Args:
        model: a name in the catalog or the path of an .onnx file.
        dataset: a folder in one of `featheredge.datasets.mask_sets.LAYOUTS`.
        folder: where the maps go.
        splits: lists `SPLIT.txt` in it, joined; "all" is every mask.
        workers: processes that score.
    """
    masks = split_masks(dataset, splits)
    pictures = pictures_of(masks, picture_folder(dataset) or dataset)
    predict_pictures(model, "saliency", pictures, folder)
    return evaluate_saliency(pair_up(folder, masks), SaliencyProtocol(), workers=workers)


def predict_pictures(
    model: str,
    task: Task,
    pictures: Mapping[str, Path],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the map of every picture to ``folder/ID.png``.

    Args:
        model: a name in the catalog or the path of an .onnx file.
        task: what the model must be for.
        pictures: ID -> file.
        folder: where to; maps of the same name are replaced.
        progress: called with the number of pictures done and their total.

    Raises:
        UnknownModelError: the catalog has no such name.
        WeightsError: the model's file is missing, damaged, not one of ours, or for another task.
        ImageError: a picture cannot be read.
        OutputError: a map cannot be written.
    """
    session = Session(model, task=task)
    for done, (id, picture) in enumerate(pictures.items(), start=1):
        save_map(session(picture), folder / f"{id}.png")
        if progress:
            progress(done, len(pictures))
