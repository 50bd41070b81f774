"""Salient-object data sets: the folders of their pictures and masks, and how to pair them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from featheredge.errors import EvaluationError
from featheredge.image import IMAGE_SUFFIXES


class Layout(NamedTuple):
    """Where a data set keeps its files, relative to its root folder.

    Attributes:
        pictures: Folder of the pictures.
        masks: Folder of the masks.
    """

    pictures: str
    masks: str


#: The layouts of the published data sets; the first one whose two folders exist is used.
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
    """Return the layout of the data set in a folder, or None if it has none of `LAYOUTS`."""
    for layout in LAYOUTS.values():
        if (root / layout.pictures).is_dir() and (root / layout.masks).is_dir():
            return layout
    return None


def mask_files(dataset: Path, split: str | None) -> list[Path]:
    """Find the masks of a data set.

    Args:
        dataset: A data set in one of `LAYOUTS`, a folder that holds `masks`, or a folder of
            `ID.png` files.
        split: Selects the IDs in `SPLIT.txt` of that folder, one per line; None selects all masks.

    Returns:
        The files: all of them sorted, or those of the split in its order.

    Raises:
        EvaluationError: There is no mask, no such list, or the list names masks that are missing.
    """
    layout = find_layout(dataset)
    folder = dataset / (layout.masks if layout else "masks")
    folder = folder if folder.is_dir() else dataset
    found = {path.stem: path for path in sorted(folder.glob("*.png"))}
    if not found:
        known = ", ".join(f"{layout.pictures} + {layout.masks}" for layout in LAYOUTS.values())
        raise EvaluationError(
            f"{folder}: no masks; give a folder of ID.png files, white on black, or a data set "
            f"with one of these pairs of folders: {known}"
        )
    if split is None:
        return list(found.values())
    listing = dataset / f"{split}.txt"
    if not listing.is_file():
        raise EvaluationError(f"{listing}: no such file; expected a list with one ID per line")
    wanted = listing.read_text("utf-8").split()
    refuse_missing("masks", wanted, found, folder, "ID.png for every ID in the list")
    return [found[id] for id in wanted]


def split_masks(dataset: Path, splits: Sequence[str]) -> list[Path]:
    """Find the masks of several splits, one after the other.

    Args:
        dataset: As for `mask_files`, which also says what is raised.
        splits: Names of splits; "all" selects every mask.
    """
    lists = [None if split == "all" else split for split in splits]
    return [mask for split in lists for mask in mask_files(dataset, split)]


def picture_folder(dataset: Path) -> Path | None:
    """Return the folder of a data set's pictures, or None if it has none of `LAYOUTS`."""
    layout = find_layout(dataset)
    return dataset / layout.pictures if layout else None


def pictures_in(dataset: Path, masks: list[Path]) -> dict[str, Path]:
    """Find the picture of every mask in the data set's folder of pictures.

    Args:
        dataset: A data set; if it has none of `LAYOUTS`, all of it is searched.
        masks: Its masks.

    Returns:
        Stem -> picture.

    Raises:
        EvaluationError: As in `pictures_of`.
    """
    return pictures_of(masks, picture_folder(dataset) or dataset)


def pictures_of(masks: list[Path], folder: Path) -> dict[str, Path]:
    """Find the picture of every mask in a folder and its sub-folders.

    Args:
        masks: Mask files.
        folder: Where to search for pictures with the same stems.

    Returns:
        Stem -> picture.

    Raises:
        EvaluationError: Pictures are missing (the message names them), or two have the same stem.
    """
    found: dict[str, Path] = {}
    wanted = dict.fromkeys(mask.stem for mask in masks)
    for path in sorted(set(folder.rglob("*")) - set(masks)):  # some sets keep both in one folder
        if path.suffix.lower() in IMAGE_SUFFIXES and path.stem in wanted:
            if path.stem in found:
                raise EvaluationError(
                    f"{path} and {found[path.stem]} have the same name; remove one of them"
                )
            found[path.stem] = path
    refuse_missing(
        "pictures", list(wanted), found, folder, "a picture, such as ID.jpg, for every mask"
    )
    return found


def refuse_missing(
    kind: str, wanted: list[str], found: dict[str, Path], folder: Path, expected: str
) -> None:
    """Raise EvaluationError if files are missing; the message names up to ten of them.

    Args:
        kind: What the files are, in the plural.
        wanted: IDs that must have a file.
        found: ID -> file.
        folder: Where the files were searched for.
        expected: Which files must exist, in words.
    """
    missing = [id for id in wanted if id not in found]
    if missing:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise EvaluationError(
            f"{folder}: {len(missing)} of {len(wanted)} {kind} are missing: {shown}; "
            f"expected {expected}"
        )
