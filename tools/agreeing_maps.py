"""Keep a teacher's saliency maps where they agree with the masks; elsewhere the mask is the map.

    python tools/agreeing_maps.py MAPS MASKS [LARGEST]

MAPS has ID.png, as `featheredge saliency FOLDER -o MAPS` writes them, and is changed in place.
MASKS has an ID.png for each. LARGEST is the mean absolute difference, from 0 to 1, up to which a
map is kept; by default 0.1.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def main(maps: str, masks: str, largest: str = "0.1") -> None:
    replaced, paths = 0, sorted(Path(maps).glob("*.png"))
    for path in paths:
        map, mask = grey(path), grey(Path(masks) / path.name)
        if np.abs(map.astype(float) - mask).mean() / 255 > float(largest):
            Image.fromarray(mask).save(path)
            replaced += 1
    print(f"{maps}: {replaced} of {len(paths)} maps replaced by masks")


def grey(path: Path) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 values of a picture."""
    return np.asarray(Image.open(path).convert("L"))


if __name__ == "__main__":
    main(*sys.argv[1:])
