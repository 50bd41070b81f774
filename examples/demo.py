"""Edges, thin edges, salient objects and cut-outs of photos, side by side in one picture.

python examples/demo.py [PHOTO ...] [-o demo.png]
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import featheredge as fe

HEIGHT_PX, GAP_PX, CAPTION_PX = 260, 12, 30
PAPER, INK = "#ffffff", "#1d2733"
HERE = Path(__file__).parent

Result = TypeVar("Result")

NEXT = """
Now type:
  {bin}featheredge edges PHOTO.jpg             # your own photo: PHOTO_edges.png beside it
  {bin}featheredge edges FOLDER -o edges/      # all photos in a folder and its sub-folders
  {bin}featheredge cutout PHOTO.jpg            # the object, on transparency
  {bin}featheredge models                      # the networks, their scores and licences
  {bin}featheredge --help
"""


def main() -> None:
    """Draw the picture; say where it is, how long everything took and what to type next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("demo.png"))
    parser.add_argument("--bin", default="", help="a prefix for the commands shown")
    arguments = parser.parse_args()
    photos = arguments.photos or [HERE / "coffee.jpg", HERE / "cat.jpg"]
    edges, saliency = fe.Session(task="edges"), fe.Session(task="saliency")
    rows = [row(photo, edges, saliency) for photo in photos]
    page = stack([beside(panels) for panels in rows])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    page.save(arguments.output)
    for photo, panels in zip(photos, rows, strict=True):
        print(f"{photo.name}: " + ", ".join(caption for _, caption in panels[1:]))
    print("(one thread, from pixels to result, with the network loaded)")
    print(f"\nAll of it is in {arguments.output.resolve()}")
    print(NEXT.format(bin=arguments.bin))


def row(photo: Path, edges: fe.Session, saliency: fe.Session) -> list[tuple[Image.Image, str]]:
    """Everything that is made of one photo, each with its caption."""
    image = fe.load_image(photo)
    edge_map, edges_ms = timed(lambda: edges(image))
    thin_map, thin_ms = timed(lambda: fe.thin(edge_map))
    mask, saliency_ms = timed(lambda: saliency(image))
    cut, cutout_ms = timed(lambda: fe.cutout(Image.fromarray(image), model=saliency))
    assert isinstance(cut, Image.Image)
    height, width = image.shape[:2]
    return [
        (Image.fromarray(image), f"{photo.name}, {width}x{height}"),
        (grey(edge_map), f"edges {edges_ms:.0f} ms"),
        (grey(thin_map), f"thin edges {edges_ms + thin_ms:.0f} ms"),
        (grey(mask), f"salient object {saliency_ms:.0f} ms"),
        (on_checkers(cut), f"cut-out {cutout_ms:.0f} ms"),
    ]


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """What a call returns and the milliseconds it takes, after once that does not count."""
    call()
    started = time.perf_counter()
    result = call()
    return result, 1e3 * (time.perf_counter() - started)


def grey(map: np.ndarray) -> Image.Image:
    """A map as a picture."""
    return Image.fromarray((map * 255).round().astype(np.uint8)).convert("RGB")


def on_checkers(cut: Image.Image) -> Image.Image:
    """An RGBA picture on the grey checkers that stand for transparency."""
    y, x = np.indices((cut.height, cut.width)) // 12
    checkers = Image.fromarray(np.where((x + y) % 2, 225, 250).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(checkers, cut).convert("RGB")


def beside(panels: list[tuple[Image.Image, str]]) -> Image.Image:
    """Panels of one height in a row, each above its caption."""
    shown = [
        panel.resize((round(panel.width * HEIGHT_PX / panel.height), HEIGHT_PX))
        for panel, _ in panels
    ]
    width = sum(panel.width for panel in shown) + GAP_PX * (len(shown) + 1)
    strip = Image.new("RGB", (width, HEIGHT_PX + GAP_PX + CAPTION_PX), PAPER)
    draw, left = ImageDraw.Draw(strip), GAP_PX
    for panel, (_, caption) in zip(shown, panels, strict=True):
        strip.paste(panel, (left, GAP_PX))
        draw.text((left, HEIGHT_PX + GAP_PX + 6), caption, INK, ImageFont.load_default(18))
        left += panel.width + GAP_PX
    return strip


def stack(strips: list[Image.Image]) -> Image.Image:
    """Strips below one another."""
    page = Image.new(
        "RGB",
        (max(strip.width for strip in strips), sum(strip.height for strip in strips) + GAP_PX),
        PAPER,
    )
    top = 0
    for strip in strips:
        page.paste(strip, (0, top))
        top += strip.height
    return page


if __name__ == "__main__":
    main()
