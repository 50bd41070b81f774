"""Score cut-outs against accurate masks: error of the opacities near the outline and everywhere.

    python benchmarks/score_cutouts.py DATA [--split val] [--model NAME|FILE.onnx]... [--band 15]

DATA holds images/ID.jpg and masks/ID.png, and SPLIT.txt with one ID a line. The band is what lies
within `--band` pixels of the mask's outline, along rows and columns, at the picture's full size.
Each cut-out is scored as it is, and as it would be without the random walk.
"""

import argparse
from pathlib import Path

import numpy as np

from featheredge.box_filter import box_mean
from featheredge.compose import subject_mask
from featheredge.datasets.mask_sets import pictures_in, split_masks
from featheredge.image import load
from featheredge.opacity import soft_mask
from featheredge.refine import refine
from featheredge.session import Session
from featheredge.subject import select_subject


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val", help="a list in DATA, or all")
    parser.add_argument("--model", action="append", help="default: the default saliency model")
    parser.add_argument("--band", type=int, default=15, help="pixels")
    args = parser.parse_args()
    masks = split_masks(args.data, (args.split,))
    pictures = pictures_in(args.data, masks)
    print(f"{len(masks)} pictures; mean absolute error of the opacity, in [0, 1]")
    for model in args.model or [None]:
        session = Session(model, task="saliency")
        errors: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
        for file in masks:
            image, mask = load(pictures[file.stem]), load(file)[..., 0]
            map = session(image)
            refined = refine(select_subject(map).map, image)
            errors["with"].append(opacity_errors(subject_mask(image, map), mask, args.band))
            errors["without"].append(opacity_errors(soft_mask(refined), mask, args.band))
        for walk, found in errors.items():
            band, whole = np.nanmean(found, axis=0)
            print(
                f"{session.name}, {walk} the random walk: {band:.4f} within {args.band} px of the "
                f"outline, {whole:.4f} overall"
            )


def opacity_errors(opacity: np.ndarray, mask: np.ndarray, band_px: int) -> tuple[float, float]:
    """Mean absolute error of opacities in the band and over the picture.

    A picture without an outline has no band: NaN.
    """
    inside = (mask > 127).astype(np.float32)
    difference = np.abs(opacity - inside)
    share = box_mean(inside, band_px)
    band = (share > 0) & (share < 1)
    return float(difference[band].mean()) if band.any() else np.nan, float(difference.mean())


if __name__ == "__main__":
    main()
