"""BSDS500 in its published layout: pictures and boundary annotations.

The files are `images/SPLIT/ID.jpg` and `groundTruth/SPLIT/ID.mat`. Reading the .mat files needs
scipy (`featheredge[eval]` or `featheredge[lab]`).

Shapes: `G` annotators; `H W` pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from featheredge.errors import EvaluationError, MissingExtraError
from featheredge.mat_file import read_mat

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One picture of the data set.

    Attributes:
        id: Stem of both files.
        image: The .jpg file.
        annotations: The .mat file.
    """

    id: str
    image: Path
    annotations: Path


def samples(root: Path, split: str) -> list[Sample]:
    """List the pictures of one split, sorted by ID.

    Args:
        root: The folder that holds `images` and `groundTruth`.
        split: One of `SPLITS`.

    Raises:
        EvaluationError: The split is unknown, the folder does not exist, or a picture has no
            annotations.
    """
    check_split(split)
    images = sorted((root / "images" / split).glob("*.jpg"))
    if not images:
        raise EvaluationError(
            f"{root}: no pictures in images/{split}; give the BSDS500 folder in its published "
            "layout, images/{train,val,test}/*.jpg and groundTruth/{train,val,test}/*.mat"
        )
    found = [
        Sample(image.stem, image, root / "groundTruth" / split / f"{image.stem}.mat")
        for image in images
    ]
    missing = [sample.id for sample in found if not sample.annotations.is_file()]
    if missing:
        raise EvaluationError(
            f"{root}/groundTruth/{split}: {len(missing)} of {len(found)} pictures have no .mat "
            f"file; the first is {missing[0]}.mat"
        )
    return found


def check_split(split: str) -> None:
    """Raise EvaluationError if BSDS500 has no such split."""
    if split not in SPLITS:
        raise EvaluationError(f"unknown split {split!r} of BSDS500; use {', '.join(SPLITS)}")


def boundaries(path: Path) -> npt.NDArray[np.bool_]:
    """Read the boundary maps of all annotators of one picture.

    Args:
        path: The .mat file.

    Returns:
        (G, H, W) bool, True on a boundary.

    Raises:
        EvaluationError: The file is not a BSDS500 annotation file, or has no annotator.
        MissingExtraError: scipy is not installed.
    """
    try:
        cells = read_mat(path)["groundTruth"].ravel()
        maps = [np.asarray(cell["Boundaries"][0, 0], bool) for cell in cells]
    except MissingExtraError:
        raise
    except Exception as cause:  # scipy raises errors of many classes on damaged files
        raise EvaluationError(
            f"{path}: not a BSDS500 annotation file ({cause}); expected a .mat file with "
            "groundTruth{g}.Boundaries"
        ) from cause
    if not maps:
        raise EvaluationError(f"{path}: has no annotator; expected at least one")
    return np.stack(maps)


def consensus(annotations: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the share of annotators who marked each pixel.

    Args:
        annotations: (G, H, W) bool.

    Returns:
        (H, W) float32 in [0, 1].
    """
    shares: npt.NDArray[np.float32] = annotations.mean(axis=0, dtype=np.float32)
    return shares
