"""Pictures of the documentation, and contact sheets that compare the maps of networks.

    python tools/draw_pictures.py                      # docs/images/coffee.jpg and cat.jpg
    python tools/draw_pictures.py --bsds data/bsds500 --out wall.jpg --models t.onnx mobile-edge
    python tools/draw_pictures.py --masks data/sod --pictures data/bsds500/images --out wall.jpg \
        --models feather-saliency feather-saliency-s

A contact sheet has a row for each of eight test pictures: photo, annotation, the map of each model.
For edges it shows every 25th picture, so that nobody selects them. For saliency it shows four
pictures at even distances, then the four with the largest error of the first model.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import featheredge as fe
from featheredge.datasets import bsds500
from featheredge.datasets.mask_sets import mask_files, pictures_of

ROOT = Path(__file__).parents[1]
SHOWN, CELL_WIDTH_PX, HEADER_PX = 8, 320, 24

T = TypeVar("T")
Cell = NDArray[np.uint8]
Map = NDArray[np.float32]
Pair = tuple[Cell, Map]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    truth = parser.add_mutually_exclusive_group()
    truth.add_argument("--bsds", type=Path, help="BSDS500, for a sheet of edge maps")
    truth.add_argument("--masks", type=Path, help="a mask set, for a sheet of saliency maps")
    parser.add_argument("--pictures", type=Path, help="folder of the pictures of the masks")
    parser.add_argument("--out", type=Path, help="file of the sheet")
    parser.add_argument("--models", nargs="+", default=[], help="columns of the sheet")
    options = parser.parse_args()
    if options.bsds is None and options.masks is None:
        draw_readme_pictures()
        return
    if options.out is None or not options.models:
        parser.error("a contact sheet needs --models and --out")
    sessions = [fe.Session(model) for model in options.models]
    if options.bsds is not None:
        pairs = list(test_pictures(options.bsds))
    else:
        every = list(masked_pictures(options.masks, options.pictures))
        pairs = [*spread(every, SHOWN // 2), *worst(every, sessions[0])]
    save(contact_sheet(pairs, sessions), options.out)


def draw_readme_pictures() -> None:
    """Draw a photo beside its edges, and a photo beside its mask and its cut-out."""
    coffee, cat = (fe.load_image(ROOT / f"examples/{name}.jpg") for name in ("coffee", "cat"))
    save(Image.fromarray(row(coffee, fe.edges(coffee))), ROOT / "docs/images/coffee.jpg")
    cut = fe.cutout(cat, background="white")
    strip = np.concatenate([row(cat, fe.saliency(cat)), cut], axis=1)
    save(Image.fromarray(strip), ROOT / "docs/images/cat.jpg")


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture and print its path."""
    picture.save(path, quality=90)
    print(path)


def test_pictures(root: Path) -> Iterator[Pair]:
    """Yield pictures of BSDS500 test, each with the share of annotators who marked a pixel."""
    for sample in spread(bsds500.samples(root, "test"), SHOWN):
        drawn = bsds500.consensus(bsds500.boundaries(sample.annotations))
        yield fe.load_image(sample.image), drawn


def masked_pictures(masks: Path, pictures: Path) -> Iterator[Pair]:
    """Yield all pictures that have a mask, each with its mask."""
    files = mask_files(masks, None)
    found = pictures_of(files, pictures)
    for file in files:
        mask = fe.load_image(file)[..., 0] > 127
        yield fe.load_image(found[file.stem]), mask.astype(np.float32)


def spread(samples: Sequence[T], count: int) -> Sequence[T]:
    """Select a number of samples at even distances."""
    return samples[:: len(samples) // count][:count]


def worst(pairs: Sequence[Pair], session: fe.Session) -> list[Pair]:
    """Select the pairs with the largest mean absolute error."""
    error = [float(np.abs(session(photo) - mask).mean()) for photo, mask in pairs]
    return [pairs[index] for index in np.argsort(error)[: -SHOWN // 2 - 1 : -1]]


def contact_sheet(pairs: Sequence[Pair], sessions: Sequence[fe.Session]) -> Image.Image:
    """Draw a row for each pair, under a line with the names of the columns."""
    rows = []
    for photo, drawn in pairs:
        cells = Image.fromarray(row(photo, drawn, *(session(photo) for session in sessions)))
        width = CELL_WIDTH_PX * (2 + len(sessions))
        rows.append(cells.resize((width, width * cells.height // cells.width)))
    sheet = Image.new("RGB", (rows[0].width, HEADER_PX + sum(r.height for r in rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(["photo", "annotation", *(s.name for s in sessions)]):
        pen.text((CELL_WIDTH_PX * column + 6, 4), name, fill="black", font_size=14)
    top = HEADER_PX
    for cells in rows:
        sheet.paste(cells, (0, top))
        top += cells.height
    return sheet


def row(photo: Cell, *maps: NDArray[np.float32]) -> Cell:
    """Put a photo (H, W, 3) and its maps (H, W) side by side; rotate upright ones to landscape."""
    grey = [np.repeat(np.rint(255 * m).astype(np.uint8)[..., None], 3, axis=2) for m in maps]
    strip = [cell if cell.shape[0] <= cell.shape[1] else np.rot90(cell) for cell in (photo, *grey)]
    return np.concatenate(strip, axis=1)


if __name__ == "__main__":
    main()
