"""Draw a numbered sheet of cut-outs, each beside its picture, to look at and count.

    python tools/draw_cutouts.py pictures/*.jpg -o sheet.jpg [--model my-network.onnx] [--columns 6]

A picture in which the network finds no object has an empty cell.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import featheredge as fe
from featheredge.errors import NoObjectError

_CELL_PX = 150
_CHECK_PX = 10
_GREYS = (200, 240)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--model", help="a shipped saliency model or an .onnx file")
    parser.add_argument("--columns", type=int, default=6)
    args = parser.parse_args()
    rows = -(-len(args.pictures) // args.columns)
    sheet = Image.new("RGB", (args.columns * 2 * _CELL_PX, rows * _CELL_PX), "white")
    for index, path in enumerate(args.pictures):
        row, column = divmod(index, args.columns)
        sheet.paste(_pair(path, args.model, index + 1), (column * 2 * _CELL_PX, row * _CELL_PX))
    sheet.save(args.output, quality=88)


def _pair(path: Path, model: str | None, number: int) -> Image.Image:
    """A picture with its number, and what is cut out of it on a checkerboard."""
    picture = Image.open(path).convert("RGB")
    pair = Image.new("RGB", (2 * _CELL_PX, _CELL_PX), "white")
    pair.paste(_fitted(picture), (0, 0))
    ImageDraw.Draw(pair).text(
        (3, 2), str(number), fill="yellow", stroke_width=2, stroke_fill="black"
    )
    try:
        cut = fe.cutout(picture, model=model)
    except NoObjectError:
        return pair
    assert isinstance(cut, Image.Image)
    board = _checkerboard(cut.size)
    board.paste(cut, mask=cut.getchannel("A"))
    pair.paste(_fitted(board), (_CELL_PX, 0))
    return pair


def _fitted(picture: Image.Image) -> Image.Image:
    """The picture inside a cell, with a border of two pixels."""
    side = _CELL_PX - 4
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _checkerboard(size: tuple[int, int]) -> Image.Image:
    rows, columns = np.arange(size[1])[:, None], np.arange(size[0])
    odd = (rows // _CHECK_PX + columns // _CHECK_PX) % 2
    return Image.fromarray(np.array(_GREYS, np.uint8)[odd]).convert("RGB")


if __name__ == "__main__":
    main()
