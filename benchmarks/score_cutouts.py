"""Score cut-outs against accurate masks: error of the opacities near the outline and everywhere.

    python benchmarks/score_cutouts.py DATA [--split val] [--model NAME|FILE.onnx]... [--band 15]

DATA holds images/ID.jpg and masks/ID.png, and SPLIT.txt with one ID a line. The band is what lies
within `--band` pixels of the mask's outline, along rows and columns, at the picture's full size.
"""

import argparse
from pathlib import Path

import numpy as np

from featheredge.box_filter import box_mean
from featheredge.compose import subject_mask
from featheredge.datasets.mask_sets import pictures_in, split_masks
from featheredge.image import load
from featheredge.session import Session


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
        errors = [
            opacity_errors(session, load(pictures[mask.stem]), load(mask)[..., 0], args.band)
            for mask in masks
        ]
        band, whole = np.nanmean(errors, axis=0)
        print(
            f"{session.name}: {band:.4f} within {args.band} px of the outline, {whole:.4f} overall"
        )


def opacity_errors(
    session: Session, image: np.ndarray, mask: np.ndarray, band_px: int
) -> tuple[float, float]:
    """Mean absolute error of a cut-out's opacity in the band and over the picture.

    A picture without an outline has no band: NaN.
    """
    inside = (mask > 127).astype(np.float32)
    difference = np.abs(subject_mask(image, session(image)) - inside)
    share = box_mean(inside, band_px)
    band = (share > 0) & (share < 1)
    return float(difference[band].mean()) if band.any() else np.nan, float(difference.mean())


if __name__ == "__main__":
    main()
