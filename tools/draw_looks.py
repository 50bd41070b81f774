"""A sheet of all looks of one photo, for docs/looks.md.

    python tools/draw_looks.py [PHOTO] [-o docs/images/looks.jpg]

The SVG look is drawn from its contours, since Pillow reads no SVG.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import featheredge as fe
from featheredge.catalog import Task
from featheredge.looks import LOOKS, draw

ROOT = Path(__file__).parents[1]
_WIDTH_PX, _HEADER_PX, _COLUMNS = 300, 22, 4
_CHECK_PX = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path, default=ROOT / "examples/cat.jpg")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs/images/looks.jpg")
    args = parser.parse_args()
    photo = fe.load_image(args.photo)
    maps: dict[Task, np.ndarray] = {"edges": fe.edges(photo), "saliency": fe.saliency(photo)}
    cells = [_cell(Image.fromarray(photo), "the photo")]
    for task, looks in LOOKS.items():
        for name, look in looks.items():
            shown = "lineart" if look.suffix == ".svg" else name
            drawn = draw(task, shown, photo, maps[task])
            assert not isinstance(drawn, str)
            cells.append(_cell(Image.fromarray(drawn), f"{task} --as {name}"))
    sheet(cells).save(args.output, quality=78)


def sheet(cells: list[Image.Image]) -> Image.Image:
    """Put cells of equal size in rows."""
    width, height = cells[0].size
    rows = -(-len(cells) // _COLUMNS)
    whole = Image.new("RGB", (_COLUMNS * width, rows * height), "white")
    for index, cell in enumerate(cells):
        row, column = divmod(index, _COLUMNS)
        whole.paste(cell, (column * width, row * height))
    return whole


def _cell(picture: Image.Image, title: str) -> Image.Image:
    """Draw a picture under its title; transparent pixels show a checkerboard."""
    size = (_WIDTH_PX, round(_WIDTH_PX * picture.height / picture.width))
    shrunk = picture.resize(size, Image.Resampling.LANCZOS)
    cell = Image.new("RGB", (size[0] + 8, size[1] + _HEADER_PX + 6), "white")
    ImageDraw.Draw(cell).text((6, 4), title, fill="black", font_size=13)
    if shrunk.mode == "RGBA":
        rows, columns = np.arange(size[1])[:, None], np.arange(size[0])
        odd = (rows // _CHECK_PX + columns // _CHECK_PX) % 2
        board = Image.fromarray(np.array((200, 240), np.uint8)[odd]).convert("RGB")
        board.paste(shrunk, mask=shrunk.getchannel("A"))
        shrunk = board
    cell.paste(shrunk.convert("RGB"), (4, _HEADER_PX))
    return cell


if __name__ == "__main__":
    main()
