"""Files that are scored against each other: predicted maps, annotations, and which belong together.

Shape legend: ``H W`` pixels; ``G`` annotators.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featheredge.datasets.bsds500 import SPLITS, boundaries
from featheredge.datasets.mask_sets import refuse_missing
from featheredge.errors import EvaluationError, ImageError, MissingExtraError
from featheredge.extras import require
from featheredge.image import load

PREDICTION_SUFFIXES = (".png", ".npy", ".mat")


@dataclass(frozen=True)
class Pair:
    """A predicted map and the annotations it is scored against."""

    name: str
    prediction: Path
    annotation: Path


def annotation_files(folder: Path, split: str) -> list[Path]:
    """Find the annotations: a BSDS500 folder, or a folder of .mat or of .png files.

    Args:
        folder: BSDS500 itself, its ``groundTruth``, or the folder that holds the files.
        split: train, val or test; only looked at where the folder has splits.

    Raises:
        EvaluationError: there are none, both kinds, or no such split.
    """
    if split not in SPLITS:
        raise EvaluationError(f"BSDS500 has the splits {', '.join(SPLITS)}; got {split!r}")
    for place in (folder / "groundTruth" / split, folder / split, folder):
        found = sorted(p for p in place.glob("*") if p.suffix.lower() in (".mat", ".png"))
        if len({p.suffix.lower() for p in found}) > 1:
            raise EvaluationError(f"{place}: holds .mat and .png files; expected one kind")
        if found:
            return found
    raise EvaluationError(
        f"{folder}: no annotations; expected a BSDS500 folder (groundTruth/{split}/*.mat) or a "
        "folder of binary .png files"
    )


def pair_up(predictions: Path, annotations: list[Path]) -> list[Pair]:
    """Find the prediction of every annotation by its stem.

    Raises:
        EvaluationError: predictions are missing (they are named), or there are two of one name.
    """
    if not predictions.is_dir():
        raise EvaluationError(f"{predictions}: not a folder; expected predicted .png, .npy or .mat")
    by_stem: dict[str, Path] = {}
    for path in sorted(predictions.iterdir()):
        if path.suffix.lower() in PREDICTION_SUFFIXES:
            if path.stem in by_stem:
                raise EvaluationError(
                    f"{path} and {by_stem[path.stem].name}: two predictions of one image; keep one"
                )
            by_stem[path.stem] = path
    wanted = [path.stem for path in annotations]
    expected = "ID.png, ID.npy or ID.mat for every annotation"
    refuse_missing("predictions", wanted, by_stem, predictions, expected)
    return [Pair(path.stem, by_stem[path.stem], path) for path in annotations]


def read_prediction(path: Path) -> NDArray[np.generic]:
    """Read a map: (H, W), uint8 as stored or floating point.

    A .png may be grey of 8 or 16 bits; a .mat holds one matrix under any name, or ``ucm2``, an
    ultrametric contour map in double size, of which every second row and column is the map.

    Raises:
        EvaluationError: the file cannot be read as a map.
    """
    readers = {".png": _read_grey, ".npy": _read_npy, ".mat": _read_matrix}
    try:
        return readers[path.suffix.lower()](path)
    except (EvaluationError, MissingExtraError):
        raise
    except Exception as error:  # each decoder has its own ways to fail on a damaged file
        raise EvaluationError(f"{path}: cannot be read as a map: {error}") from error


def read_annotations(path: Path) -> NDArray[np.bool_]:
    """Read the annotations of one image: (G, H, W) from BSDS .mat, G = 1 from a binary .png.

    Raises:
        EvaluationError: the file cannot be read, holds no annotator or is not binary.
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
            f"{path}: has {len(seen)} grey values from {seen[0]} to {seen[-1]}; expected 0 and one "
            "other (a binary annotation: threshold it first)"
        )
    mask: NDArray[np.bool_] = values != 0
    return mask[None]


def read_saliency_map(path: Path) -> NDArray[np.generic]:
    """Read a saliency map: (H, W), uint8 from a .png, otherwise as `read_prediction`.

    Raises:
        EvaluationError: the file cannot be read as a map.
    """
    return read_mask(path) if path.suffix.lower() == ".png" else read_prediction(path)


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Read a grey picture of any depth, black to white in 8 bits: (H, W).

    Raises:
        EvaluationError: the file cannot be read, or has colours.
    """
    try:
        pixels = load(path)
    except ImageError as error:
        raise EvaluationError(str(error)) from error
    grey: NDArray[np.uint8] = pixels[..., 0]
    if not (np.array_equal(grey, pixels[..., 1]) and np.array_equal(grey, pixels[..., 2])):
        raise EvaluationError(f"{path}: is a picture in colour; expected shades of grey")
    return grey


def _read_grey(path: Path) -> NDArray[np.generic]:
    from PIL import Image

    with Image.open(path) as image:
        values: NDArray[Any] = np.array(image)
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2:
        raise EvaluationError(f"{path}: is a {image.mode} picture; expected a grey edge map")
    if image.mode.startswith("I"):
        return values / 65535
    return values


def _read_npy(path: Path) -> NDArray[np.generic]:
    values: NDArray[np.generic] = np.load(path, allow_pickle=False)
    return values


def _read_matrix(path: Path) -> NDArray[np.generic]:
    require("eval", f"reading {path.name}", "scipy")
    from scipy.io import loadmat

    content = loadmat(path)
    if "ucm2" in content:
        doubled: NDArray[np.generic] = content["ucm2"]
        return doubled[2::2, 2::2]
    matrices = {
        key: value
        for key, value in content.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.size > 1
    }
    if len(matrices) != 1:
        raise EvaluationError(f"{path}: holds matrices {sorted(matrices)}; expected exactly one")
    return next(iter(matrices.values()))
