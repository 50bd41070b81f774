"""Pictures in the terminal: the byte sequences of three protocols, and which one a terminal has.

Kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/), iTerm2's inline
images (https://iterm2.com/documentation-images.html) and sixel (DEC, VT330/VT340 programmer
reference manual, volume 2, chapter 14).
"""

import base64
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from featheredge.png import encode_png
from featheredge.terminal_query import query

Protocol: TypeAlias = Literal["kitty", "iterm2", "sixel"]

MAX_PX = 640
"""Previews are at most this wide and high, in pixels."""

_ESC = "\x1b"
_END = f"{_ESC}\\"
_CHUNK = 4096  # kitty takes at most this much base64 text in one sequence
_SIXEL_COLOURS = 128
_BAND_PX = 6  # a sixel is a column of six pixels

#: Values of TERM_PROGRAM, by what the program draws.
_PROGRAMS: Mapping[str, Protocol] = {
    "ghostty": "kitty",
    "iTerm.app": "iterm2",
    "WezTerm": "iterm2",
    "mintty": "iterm2",
    "rio": "iterm2",
}
_SIXEL_TERMS = ("foot", "mlterm", "yaft", "contour", "sixel")


def detect(
    environ: Mapping[str, str] = os.environ, ask: Callable[[str, str], str] = query
) -> Protocol | None:
    """Find out which protocol the terminal has, from the environment and by asking it.

    Args:
        environ: The environment.
        ask: Sends a query and returns the answer, "" if none comes in time.

    Returns:
        The protocol; None if there is none, or inside tmux and screen, which pass no pictures on.
    """
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if "TMUX" in environ or term.startswith(("screen", "tmux", "dumb", "linux")):
        return None
    if "KITTY_WINDOW_ID" in environ or term in ("xterm-kitty", "xterm-ghostty"):
        return "kitty"
    if program in _PROGRAMS:
        return _PROGRAMS[program]
    if "KONSOLE_VERSION" in environ:
        return "kitty"
    if term.startswith(_SIXEL_TERMS) or _has_sixel(ask(f"{_ESC}[c", "c")):
        return "sixel"
    return None


def _has_sixel(attributes: str) -> bool:
    """Return whether primary device attributes, as in "ESC [ ? 62 ; 4 c", name 4, sixel."""
    inside = attributes.partition("[?")[2].partition("c")[0]
    return "4" in inside.split(";")[1:]


def preview(path: Path, protocol: Protocol | None) -> str:
    """Return what shows an image file in a terminal.

    Args:
        path: A file that Pillow reads; others, such as SVG, are shown as a link.
        protocol: The protocol of the terminal, or None.

    Returns:
        The sequence of the protocol; without one, the link of the file.
    """
    if protocol is None or path.suffix.lower() == ".svg":
        return link(path) if sys.stdout.isatty() else path.absolute().as_uri()
    with Image.open(path) as image:
        image.thumbnail((MAX_PX, MAX_PX))
        small = image.convert("RGBA")
    return {"kitty": kitty, "iterm2": iterm2, "sixel": sixel}[protocol](small)


def link(path: Path) -> str:
    """Return a link to a file that terminals make clickable (OSC 8)."""
    uri = path.absolute().as_uri()
    return f"{_ESC}]8;;{uri}{_END}{uri}{_ESC}]8;;{_END}"


def kitty(image: Image.Image) -> str:
    """Return the sequence of kitty's graphics protocol: transmit a PNG and display it (a=T)."""
    text = base64.standard_b64encode(encode_png(image)).decode()
    chunks = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    return "".join(
        f"{_ESC}_G{'a=T,f=100,q=2,' if index == 0 else ''}m={int(index < len(chunks) - 1)};"
        f"{chunk}{_END}"
        for index, chunk in enumerate(chunks)
    )


def iterm2(image: Image.Image) -> str:
    """Return the sequence of an iTerm2 inline image."""
    content = encode_png(image)
    text = base64.standard_b64encode(content).decode()
    return (
        f"{_ESC}]1337;File=inline=1;size={len(content)};width={image.width}px;"
        f"height={image.height}px;preserveAspectRatio=1:{text}\a"
    )


def sixel(image: Image.Image) -> str:
    """Return the sequence of a sixel image, 128 colours at most; transparent pixels stay empty."""
    rgba = image.convert("RGBA")
    palette = rgba.convert("RGB").quantize(_SIXEL_COLOURS)
    colours = np.array(palette.getpalette(), int).reshape(-1, 3)
    indices = np.where(np.asarray(rgba)[..., 3] > 127, np.asarray(palette, int), -1)
    registers = "".join(
        f"#{number};2;{';'.join(str(round(value / 2.55)) for value in colours[number])}"
        for number in np.unique(indices[indices >= 0]).tolist()
    )
    bands = "-".join(
        "$".join(_band(indices[top : top + _BAND_PX])) for top in range(0, image.height, _BAND_PX)
    )
    return f'{_ESC}P0;1q"1;1;{image.width};{image.height}{registers}{bands}{_END}'


def _band(indices: NDArray[np.int_]) -> Iterator[str]:
    """Yield the sixels of up to six rows, once for each colour in them."""
    bits = 1 << np.arange(len(indices))[:, None]
    for number in np.unique(indices[indices >= 0]).tolist():
        columns = ((indices == number) * bits).sum(axis=0).tolist()
        yield f"#{number}" + "".join(
            _run(chr(63 + value), len(list(group))) for value, group in groupby(columns)
        )


def _run(character: str, count: int) -> str:
    """Write a character several times: `!COUNT` repeats it, which is shorter from four on."""
    return f"!{count}{character}" if count > 3 else character * count
