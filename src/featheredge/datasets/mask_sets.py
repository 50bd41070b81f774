"""Data sets of pictures and the masks of what stands out in them: where they keep what."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from featheredge.errors import EvaluationError
from featheredge.image import IMAGE_SUFFIXES


class Layout(NamedTuple):
    """Where a data set keeps its pictures and masks, under the folder it is unpacked to."""

    pictures: str
    masks: str


#: The layouts that the published sets are distributed in; the first that is there is taken.
LAYOUTS: dict[str, Layout] = {
    "plain": Layout("images", "masks"),
    "DUTS-TR": Layout("DUTS-TR-Image", "DUTS-TR-Mask"),
    "DUTS-TE": Layout("DUTS-TE-Image", "DUTS-TE-Mask"),
    "ECSSD": Layout("images", "ground_truth_mask"),
    "PASCAL-S": Layout("datasets/imgs/pascal", "datasets/masks/pascal"),
    "DUT-OMRON": Layout("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
    "HKU-IS": Layout("imgs", "gt"),
    "MSRA10K": Layout("MSRA10K_Imgs_GT/Imgs", "MSRA10K_Imgs_GT/Imgs"),
}


def find_layout(root: Path) -> Layout | None:
    """The layout of the data set in `root`; None if it has none of the known ones."""
    for layout in LAYOUTS.values():
        if (root / layout.pictures).is_dir() and (root / layout.masks).is_dir():
            return layout
    return None


def mask_files(dataset: Path, split: str | None) -> list[Path]:
    """Find the masks of a data set.

    Args:
        dataset: a folder in one of `LAYOUTS`, one with ``masks`` alone, or one of ID.png itself.
        split: name of a list in it, ``SPLIT.txt`` with one ID a line; None for every mask.

    Raises:
        EvaluationError: there are none, no such list, or masks that it names are missing.
    """
    layout = find_layout(dataset)
    folder = dataset / (layout.masks if layout else "masks")
    folder = folder if folder.is_dir() else dataset
    found = {path.stem: path for path in sorted(folder.glob("*.png"))}
    if not found:
        known = ", ".join(f"{each.pictures} + {each.masks}" for each in LAYOUTS.values())
        raise EvaluationError(
            f"{folder}: no masks; expected a folder of ID.png, white on black, or a data set in "
            f"one of the layouts {known}"
        )
    if split is None:
        return list(found.values())
    listing = dataset / f"{split}.txt"
    if not listing.is_file():
        raise EvaluationError(f"{listing}: no such list; expected one ID a line")
    wanted = listing.read_text("utf-8").split()
    refuse_missing("masks", wanted, found, folder, "ID.png for every ID in the list")
    return [found[id] for id in wanted]


def split_masks(dataset: Path, splits: Sequence[str]) -> list[Path]:
    """The masks of several lists, joined; "all" is every mask. Errors are those of `mask_files`."""
    lists = [None if split == "all" else split for split in splits]
    return [mask for each in lists for mask in mask_files(dataset, each)]


def picture_folder(dataset: Path) -> Path | None:
    """Where a data set keeps its pictures; None where that is not known."""
    layout = find_layout(dataset)
    return dataset / layout.pictures if layout else None


def pictures_of(masks: list[Path], folder: Path) -> dict[str, Path]:
    """Find the picture of every mask, by its stem, in a folder or the folders inside it.

    Raises:
        EvaluationError: pictures are missing (they are named), or there are two of one name.
    """
    found: dict[str, Path] = {}
    wanted = dict.fromkeys(mask.stem for mask in masks)
    for path in sorted(set(folder.rglob("*")) - set(masks)):  # some sets keep both in one folder
        if path.suffix.lower() in IMAGE_SUFFIXES and path.stem in wanted:
            if path.stem in found:
                raise EvaluationError(f"{path} and {found[path.stem]}: two pictures of one name")
            found[path.stem] = path
    refuse_missing("pictures", list(wanted), found, folder, "ID.jpg or the like for every mask")
    return found


def refuse_missing(
    kind: str, wanted: list[str], found: dict[str, Path], folder: Path, expected: str
) -> None:
    """Say which of the files that belong to something are not there.

    Raises:
        EvaluationError: naming up to ten of them.
    """
    missing = [id for id in wanted if id not in found]
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise EvaluationError(
            f"{folder}: {len(missing)} of {len(wanted)} {kind} are missing: {shown}; "
            f"expected {expected}"
        )
