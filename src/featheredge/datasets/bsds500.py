"""The BSDS500 data set in its published layout: `images/SPLIT/ID.jpg`, `groundTruth/SPLIT/ID.mat`.

Reading the .mat files needs scipy (`featheredge[eval]` or `featheredge[lab]`).

Shapes: G annotators, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from featheredge.errors import EvaluationError
from featheredge.extras import require

SPLITS = ("train", "val", "test")

# What scipy and the layout give rise to in a file that is something else.
_MALFORMED = (OSError, ValueError, KeyError, IndexError, TypeError, NotImplementedError)


@dataclass(frozen=True)
class Sample:
    """One picture of the data set and the file with its annotations."""

    id: str
    image: Path
    annotations: Path


def samples(root: Path, split: str) -> list[Sample]:
    """The pictures of one split, sorted by identifier.

    Raises:
        EvaluationError: unknown split, no such folder, or a picture without annotations.
    """
    if split not in SPLITS:
        raise EvaluationError(f"BSDS500 has the splits {', '.join(SPLITS)}; got {split!r}")
    images = sorted((root / "images" / split).glob("*.jpg"))
    if not images:
        raise EvaluationError(
            f"{root}: no pictures in images/{split}; expected BSDS500 in its own layout, "
            "images/{train,val,test}/*.jpg and groundTruth/{train,val,test}/*.mat"
        )
    found = [
        Sample(image.stem, image, root / "groundTruth" / split / f"{image.stem}.mat")
        for image in images
    ]
    missing = [sample.id for sample in found if not sample.annotations.is_file()]
    if missing:
        raise EvaluationError(
            f"{root}/groundTruth/{split}: no .mat file for {len(missing)} pictures, "
            f"the first is {missing[0]}"
        )
    return found


def boundaries(path: Path) -> npt.NDArray[np.bool_]:
    """The annotators' boundary maps of one picture: (G, H, W) bool, True on a boundary.

    Raises:
        EvaluationError: not a BSDS500 annotation file, or one without annotators.
        MissingExtraError: scipy is not installed.
    """
    require("eval", f"reading {path.name}", "scipy")
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        cells = loadmat(path)["groundTruth"].ravel()
        maps = [np.asarray(cell["Boundaries"][0, 0], bool) for cell in cells]
    except (*_MALFORMED, MatReadError) as cause:
        raise EvaluationError(
            f"{path}: not a BSDS500 annotation file, which is a .mat with "
            f"groundTruth{{g}}.Boundaries: {cause}"
        ) from cause
    if not maps:
        raise EvaluationError(f"{path}: holds no annotator; every picture needs at least one")
    return np.stack(maps)


def consensus(annotations: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The share of annotators who marked each pixel: (G, H, W) bool -> (H, W) float32 in [0, 1]."""
    shares: npt.NDArray[np.float32] = annotations.mean(axis=0, dtype=np.float32)
    return shares
