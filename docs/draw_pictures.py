"""Draw the pictures of the documentation, and sheets to judge a network by.

    python docs/draw_pictures.py                                   # docs/images/coffee.jpg
    python docs/draw_pictures.py --bsds data/bsds500 --out wall.jpg  # ten test pictures

A sheet has a row for each picture: photo, annotators' consensus (where there is one), map.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import featheredge as fe
from featheredge import bsds

ROOT = Path(__file__).parents[1]
README_PICTURE = ROOT / "docs/images/coffee.jpg"
SHOWN = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bsds", type=Path, help="BSDS500: draw a sheet of test pictures")
    parser.add_argument("--out", type=Path, help="where the sheet goes")
    parser.add_argument("--model", help="name or .onnx file; left out: the default edge model")
    options = parser.parse_args()
    session = fe.Session(options.model)
    if options.bsds is None:
        photo = fe.load_image(ROOT / "examples/coffee.jpg")
        rows = [row(photo, session(photo))]
    else:
        samples = bsds.samples(options.bsds, "test")
        rows = [
            row(photo, bsds.consensus(bsds.boundaries(sample.annotations)), session(photo))
            for sample in samples[:: len(samples) // SHOWN][:SHOWN]
            for photo in [fe.load_image(sample.image)]
        ]
    out = options.out or README_PICTURE
    Image.fromarray(np.concatenate(rows)).save(out, quality=90)
    print(out)


def row(photo: NDArray[np.uint8], *maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 3) and maps (H, W) -> (H, (1 + maps) W, 3), upright pictures turned to lie."""
    grey = [np.repeat(np.rint(255 * m).astype(np.uint8)[..., None], 3, axis=2) for m in maps]
    strip = [cell if cell.shape[0] <= cell.shape[1] else np.rot90(cell) for cell in (photo, *grey)]
    return np.concatenate(strip, axis=1)


if __name__ == "__main__":
    main()
