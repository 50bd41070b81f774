"""Differences between two versions of featheredge: maps, thin maps and cut-outs of many pictures.

    python benchmarks/compare_paths.py TREE PICTURES [--count N] [--size WxH]

TREE is a folder with another version of featheredge, PICTURES a folder of pictures.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from interleaved import write_result
from trees import WORKER, serve, trees

Array = np.ndarray


def answer(path: str, size: tuple[int, int] | None) -> dict[str, Array]:
    """Return everything that this version makes of one picture, in 8 bits."""
    import featheredge as fe
    from featheredge.errors import NoObjectError
    from featheredge.png import quantise

    pixels = fe.load_image(path)
    if size:
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    edges = fe.edges(pixels)
    maps = {"edges": edges, "thin edges": fe.thin(edges), "saliency": fe.saliency(pixels)}
    made = {name: quantise(map) for name, map in maps.items()}
    try:
        cut = np.asarray(fe.cutout(pixels))
    except NoObjectError:
        cut = np.zeros((*pixels.shape[:2], 4), np.uint8)
    return {**made, "opacity": cut[..., 3], "colours": cut[..., :3]}


def differences(here: dict[str, Array], there: dict[str, Array]) -> dict[str, Array]:
    """Return absolute differences in levels of 255; colours as they show, times opacity."""
    found = {name: np.abs(here[name].astype(np.float32) - there[name]) for name in here}
    found["colours"] *= there["opacity"][..., None] / 255
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--size", help="resize the pictures, as in 4000x3000")
    options = parser.parse_args()
    size = tuple(map(int, options.size.split("x"))) if options.size else None
    paths = sorted(p for p in options.pictures.rglob("*") if p.suffix in (".jpg", ".png"))
    processes = trees(__file__, options.tree)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for path in paths[:: max(len(paths) // options.count, 1)][: options.count]:
        made = [process.ask(str(path), size) for process in processes.values()]
        for name, difference in differences(made[0], made[1]).items():
            changed = float((difference > 0).mean())
            rows.setdefault(name, []).append(
                (float(difference.max()), float(difference.mean()), changed)
            )
    result: dict[str, Any] = {"pictures": len(rows["edges"]), "size": options.size}
    for name, values in rows.items():
        largest, mean, changed = np.array(values).T
        result[name] = {
            "largest_difference_levels": float(largest.max()),
            "mean_difference_levels": round(float(mean.mean()), 5),
            "share_of_values_that_differ": round(float(changed.mean()), 7),
        }
    write_result(f"compare_paths_{options.size}" if options.size else "compare_paths", result)


if __name__ == "__main__":
    if WORKER in sys.argv:
        serve(answer)
    else:
        main()
