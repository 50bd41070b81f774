"""Files of predicted maps, edge annotations and masks: find them, pair them, read them.

Shapes: `H W` pixels; `G` annotators.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featheredge.datasets.bsds500 import boundaries, check_split
from featheredge.datasets.mask_sets import refuse_missing
from featheredge.errors import EvaluationError, ImageError, MissingExtraError
from featheredge.image import MAX_MEGAPIXELS, check_size, load, open_image
from featheredge.mat_file import read_mat

PREDICTION_SUFFIXES = (".png", ".npy", ".mat")


@dataclass(frozen=True)
class Pair:
    """A predicted map and its annotation.

    Attributes:
        name: Stem of both files.
        prediction: The file of the map.
        annotation: The file of the annotations or the mask.
    """

    name: str
    prediction: Path
    annotation: Path


def annotation_files(folder: Path, split: str) -> list[Path]:
    """Find the edge annotations of a data set.

    Args:
        folder: BSDS500, its `groundTruth`, or a folder of either .mat or .png files.
        split: One of `train`, `val` and `test`; selects a sub-folder if the folder has splits.

    Raises:
        EvaluationError: There is no annotation, there are both .mat and .png files, or the split
            is unknown.
    """
    check_split(split)
    for place in (folder / "groundTruth" / split, folder / split, folder):
        found = sorted(p for p in place.glob("*") if p.suffix.lower() in (".mat", ".png"))
        if len({p.suffix.lower() for p in found}) > 1:
            raise EvaluationError(f"{place}: has both .mat and .png files; keep one kind")
        if found:
            return found
    raise EvaluationError(
        f"{folder}: no annotations; give a BSDS500 folder (groundTruth/{split}/*.mat) or a folder "
        "of binary .png files"
    )


def pair_up(predictions: Path, annotations: list[Path]) -> list[Pair]:
    """Find the prediction of every annotation by its stem.

    Args:
        predictions: Folder of predicted maps, .png, .npy or .mat.
        annotations: Files of annotations or masks.

    Returns:
        A pair for each annotation, in their order.

    Raises:
        EvaluationError: Predictions are missing (the message names them), or two have the same
            stem.
    """
    if not predictions.is_dir():
        raise EvaluationError(
            f"{predictions}: not a folder; give a folder of predicted .png, .npy or .mat files"
        )
    by_stem: dict[str, Path] = {}
    for path in sorted(predictions.iterdir()):
        if path.suffix.lower() in PREDICTION_SUFFIXES:
            if path.stem in by_stem:
                raise EvaluationError(
                    f"{path} and {by_stem[path.stem].name} are predictions of the same image; "
                    "remove one of them"
                )
            by_stem[path.stem] = path
    wanted = [path.stem for path in annotations]
    expected = "ID.png, ID.npy or ID.mat for every annotation"
    refuse_missing("predictions", wanted, by_stem, predictions, expected)
    return [Pair(path.stem, by_stem[path.stem], path) for path in annotations]


def read_prediction(path: Path) -> NDArray[np.generic]:
    """Read a predicted map.

    Args:
        path: A .png in shades of grey, 8 or 16 bits; a .npy; or a .mat with exactly one matrix, or
            with `ucm2`, an ultrametric contour map of twice the size, of which every second row
            and column is used.

    Returns:
        (H, W), uint8 from 8 bits, otherwise the stored values; 16-bit pixels are divided by 65535.

    Raises:
        EvaluationError: The file cannot be read as a map.
    """
    readers = {".png": _read_grey, ".npy": _read_npy, ".mat": _read_matrix}
    try:
        return readers[path.suffix.lower()](path)
    except (EvaluationError, MissingExtraError):
        raise
    except Exception as error:  # each decoder has its own ways to fail on a damaged file
        raise EvaluationError(f"{path}: cannot be read as a map: {error}") from error


def read_annotations(path: Path) -> NDArray[np.bool_]:
    """Read the annotations of one image.

    Args:
        path: A BSDS500 .mat file, or a binary .png, which counts as one annotator.

    Returns:
        (G, H, W) bool, True on a boundary.

    Raises:
        EvaluationError: The file cannot be read, has no annotator, or is not binary.
    """
    try:
        if path.suffix.lower() == ".mat":
            return boundaries(path)
        values = _read_grey(path)
    except (EvaluationError, MissingExtraError):
        raise
    except Exception as error:  # each decoder has its own ways to fail on a damaged file
        raise EvaluationError(f"{path}: cannot be read as an annotation: {error}") from error
    seen = np.unique(values)
    if len(seen) > 2 or (len(seen) == 2 and seen[0] != 0):
        raise EvaluationError(
            f"{path}: has {len(seen)} grey values from {seen[0]} to {seen[-1]}; a binary "
            "annotation has 0 and one other value: threshold the picture first"
        )
    mask: NDArray[np.bool_] = values != 0
    return mask[None]


def read_saliency_map(path: Path) -> NDArray[np.generic]:
    """Read a saliency map.

    Args:
        path: A .png, or any other file that `read_prediction` reads.

    Returns:
        (H, W), uint8 from a .png of any depth, otherwise as `read_prediction`.

    Raises:
        EvaluationError: The file cannot be read as a map.
    """
    return read_mask(path) if path.suffix.lower() == ".png" else read_prediction(path)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Read a picture in shades of grey, of any depth.

    Returns:
        (H, W) uint8, 0 for black and 255 for white.

    Raises:
        EvaluationError: The file cannot be read, or is in colour.
    """
    try:
        pixels = load(path)
    except ImageError as error:
        raise EvaluationError(str(error)) from error
    grey: NDArray[np.uint8] = pixels[..., 0]
    if not (np.array_equal(grey, pixels[..., 1]) and np.array_equal(grey, pixels[..., 2])):
        raise EvaluationError(f"{path}: picture in colour; expected shades of grey")
    return grey


def _read_grey(path: Path) -> NDArray[np.generic]:
    with path.open("rb") as file:
        image = open_image(file, str(path))
        check_size(image.width, image.height, MAX_MEGAPIXELS, str(path))
        values: NDArray[Any] = np.array(image)
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2:
        raise EvaluationError(
            f"{path}: {image.mode} picture; expected an edge map in shades of grey"
        )
    if image.mode.startswith("I"):
        return values / 65535
    return values


def _read_npy(path: Path) -> NDArray[np.generic]:
    # Mapped first: a header that declares more values than the file has is an error at once.
    return np.array(np.lib.format.open_memmap(path, mode="r"))


def _read_matrix(path: Path) -> NDArray[np.generic]:
    content = read_mat(path)
    if "ucm2" in content:
        doubled: NDArray[np.generic] = content["ucm2"]
        return doubled[2::2, 2::2]
    matrices = {
        key: value
        for key, value in content.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.size > 1
    }
    if len(matrices) != 1:
        raise EvaluationError(f"{path}: has the matrices {sorted(matrices)}; expected exactly one")
    return next(iter(matrices.values()))
