"""Pictures to quantise a network on, and others to compare its maps on.

Shapes: `H W` pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import ArgumentError
from featheredge.image import IMAGE_SUFFIXES, load
from featheredge.photos import PHOTOS
from featheredge.resize import fit_inside, resize
from featheredge.session import Session
from featheredge.tiling import round_up

#: More pictures make calibration longer, and its ranges hardly wider.
MOST_PICTURES = 100
_LONGEST_PX = 512
_HELD_OUT = 4  # every fourth picture


class Pictures(NamedTuple):
    """Pictures, each (H, W, 3) uint8 RGB of a size that the network takes.

    Attributes:
        calibration: Pictures that set the ranges of activations.
        held_out: Other pictures, to compare maps on; the same ones if there are fewer than four.
    """

    calibration: list[NDArray[np.uint8]]
    held_out: list[NDArray[np.uint8]]


def load_pictures(folder: Path | None, session: Session) -> Pictures:
    """Read pictures at the size that a network sees.

    Args:
        folder: A folder of images; None takes the two example photos.
        session: The network. Its fixed square is used, or the picture's size, at most 512 px on
            its longer side and made a multiple of the stride.

    Raises:
        ArgumentError: The folder has no images.
        ImageError: An image cannot be read.
    """
    files = list(PHOTOS) if folder is None else _spread(_images_in(folder))
    pictures = [_fit(load(file), session) for file in files]
    if len(pictures) < _HELD_OUT:
        return Pictures(pictures, pictures)
    held_out = pictures[_HELD_OUT - 1 :: _HELD_OUT]
    calibration = [p for i, p in enumerate(pictures) if i % _HELD_OUT != _HELD_OUT - 1]
    return Pictures(calibration, held_out)


def _images_in(folder: Path) -> list[Path]:
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ArgumentError(f"{folder}: no images in this folder; give a folder of photos")
    return files


def _spread(files: Sequence[Path]) -> list[Path]:
    """Return at most `MOST_PICTURES` files, spread evenly over the list."""
    if len(files) <= MOST_PICTURES:
        return list(files)
    return [files[i * len(files) // MOST_PICTURES] for i in range(MOST_PICTURES)]


def _fit(picture: NDArray[np.uint8], session: Session) -> NDArray[np.uint8]:
    if session.input_px is not None:
        return resize(picture, session.input_px, session.input_px)
    height, width = fit_inside(picture.shape[0], picture.shape[1], _LONGEST_PX)
    return resize(picture, round_up(height, session.stride), round_up(width, session.stride))
