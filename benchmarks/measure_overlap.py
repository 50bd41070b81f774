"""Error of a tile by distance from its border: how much of an overlap must be discarded.

    python benchmarks/measure_overlap.py [MODEL]... [--tile PX] [--pictures FILE...]

A tile sees nothing outside itself, so its map differs from that of the whole picture. Every
network is run on the whole of each picture, enlarged to 1600x1200, and on two tiles of it.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from featheredge.session import Session
from interleaved import write_result

EXAMPLES = Path(__file__).parent.parent / "examples"
DISTANCES_PX = (0, 16, 32, 64, 96, 128, 160, 192)
SIZE = (1600, 1200)
CORNERS = ((320, 320), (512, 640))
RING_PX = 8


def errors(session: Session, image: np.ndarray, tile_px: int) -> list[np.ndarray]:
    """Return the absolute errors of two tiles, (tile_px, tile_px) each."""
    whole = session(image)
    areas = [(slice(y, y + tile_px), slice(x, x + tile_px)) for y, x in CORNERS]
    return [np.abs(session(image[area]) - whole[area]) for area in areas]


def by_distance(tiles: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """Return the largest and the mean error in rings of 8 pixels, as far in as the tile goes."""
    position = np.arange(len(tiles[0]))
    distance = np.minimum(position, position[::-1])
    distance = np.minimum.outer(distance, distance)
    found = {}
    for start in DISTANCES_PX:
        if start > distance.max():
            break
        ring = (distance >= start) & (distance < start + RING_PX)
        values = np.stack([tile[ring] for tile in tiles])
        found[f"{start} px"] = {
            "largest": round(float(values.max()), 5),
            "mean": round(float(values.mean()), 6),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["mobile-edge-s", "mobile-edge-xs"])
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--pictures", nargs="+", type=Path, default=sorted(EXAMPLES.glob("c*.jpg")))
    options = parser.parse_args()
    result = {}
    for model in options.models:
        session = Session(model, task="edges", tile_px=1 << 14, overlap_px=0)
        tiles: list[np.ndarray] = []
        for path in options.pictures:
            with Image.open(path) as file:
                image = np.asarray(file.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS))
            tiles += errors(session, image, options.tile)
        result[model] = by_distance(tiles)
    write_result("overlap", {"tile_px": options.tile, "errors": result})


if __name__ == "__main__":
    main()
