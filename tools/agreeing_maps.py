"""Keep a teacher's saliency maps where they agree with the masks; elsewhere the mask is the map.

    python tools/agreeing_maps.py MAPS MASKS [LARGEST]

MAPS has ID.png, as `featheredge saliency FOLDER -o MAPS` writes them, and is changed in place.
MASKS has an ID.png of the same size for each. LARGEST is the mean absolute difference, from 0 to 1,
up to which a map is kept; by default 0.1.
"""

import sys
from pathlib import Path

import numpy as np

from featheredge.files import write_bytes
from featheredge.metrics.map_files import read_mask
from featheredge.png import encode_pixels


def main(maps: str, masks: str, largest: str = "0.1") -> None:
    replaced, paths = 0, sorted(Path(maps).glob("*.png"))
    for path in paths:
        map, mask = read_mask(path), read_mask(Path(masks) / path.name)
        if map.shape != mask.shape:
            sys.exit(f"{path}: {map.shape} pixels; expected those of the mask, {mask.shape}")
        if np.abs(map / 255 - mask / 255).mean() > float(largest):
            write_bytes(path, encode_pixels(mask))
            replaced += 1
    print(f"{maps}: {replaced} of {len(paths)} maps replaced by masks")


if __name__ == "__main__":
    main(*sys.argv[1:])
