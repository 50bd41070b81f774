"""Draw the pictures of the documentation, and walls to judge networks by.

    python docs/draw_pictures.py                                   # docs/images/coffee.jpg
    python docs/draw_pictures.py --bsds data/bsds500 --out wall.jpg --models t.onnx mobile-edge

A wall has a row for each of eight test pictures: photo, annotators' consensus, each model's map.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import featheredge as fe
from featheredge import bsds

ROOT = Path(__file__).parents[1]
README_PICTURE = ROOT / "docs/images/coffee.jpg"
SHOWN, CELL_WIDTH_PX, HEADER_PX = 8, 320, 24

Cell = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bsds", type=Path, help="BSDS500: draw a wall of test pictures")
    parser.add_argument("--out", type=Path, help="where the wall goes")
    parser.add_argument("--models", nargs="+", default=[fe.list_models()[0].name])
    options = parser.parse_args()
    sessions = [fe.Session(model) for model in options.models]
    if options.bsds is None:
        photo = fe.load_image(ROOT / "examples/coffee.jpg")
        picture = Image.fromarray(row(photo, *(session(photo) for session in sessions)))
    else:
        picture = wall(bsds.samples(options.bsds, "test"), sessions)
    out = options.out or README_PICTURE
    picture.save(out, quality=90)
    print(out)


def wall(samples: Sequence[bsds.Sample], sessions: Sequence[fe.Session]) -> Image.Image:
    """Every 25th test picture, so nobody chose them, under a line of names."""
    rows = []
    for sample in samples[:: len(samples) // SHOWN][:SHOWN]:
        photo = fe.load_image(sample.image)
        annotators = bsds.consensus(bsds.boundaries(sample.annotations))
        cells = Image.fromarray(row(photo, annotators, *(session(photo) for session in sessions)))
        width = CELL_WIDTH_PX * (2 + len(sessions))
        rows.append(cells.resize((width, width * cells.height // cells.width)))
    sheet = Image.new("RGB", (rows[0].width, HEADER_PX + sum(r.height for r in rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(["photo", "annotators", *(s.name for s in sessions)]):
        pen.text((CELL_WIDTH_PX * column + 6, 4), name, fill="black", font_size=14)
    top = HEADER_PX
    for cells in rows:
        sheet.paste(cells, (0, top))
        top += cells.height
    return sheet


def row(photo: Cell, *maps: NDArray[np.float32]) -> Cell:
    """(H, W, 3) and maps (H, W) -> (H, (1 + maps) W, 3), upright pictures turned to lie."""
    grey = [np.repeat(np.rint(255 * m).astype(np.uint8)[..., None], 3, axis=2) for m in maps]
    strip = [cell if cell.shape[0] <= cell.shape[1] else np.rot90(cell) for cell in (photo, *grey)]
    return np.concatenate(strip, axis=1)


if __name__ == "__main__":
    main()
