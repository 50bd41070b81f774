"""Gain and cost of refining a coarse saliency map: error against full masks, time and memory.

The masks of MSRA10K are reduced to the size of a network's map in three ways, then refined with the
picture as guide. A .onnx file adds the maps of a real network. Without DATA, only time and memory
are measured, on one synthetic picture for each size.

    python benchmarks/bench_refine.py [DATA] [MODEL.onnx] [--rounds N] [--sizes N]

DATA holds images/ID.jpg, masks/ID.png and val.txt, as data/msra10k does.
"""

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from featheredge.compose import compose
from featheredge.image import load
from featheredge.opacity import soft_mask
from featheredge.refine import refine
from featheredge.resize import fit_inside, resize
from featheredge.session import Session
from interleaved import write_result

EVERY = 24
COARSE_PX = (56, 80)
FITS = ((1 / 96, 1e-4), (1 / 48, 1e-4), (1 / 48, 1e-3), (1 / 32, 1e-4))
SOFTNESS = (1.0, 0.5, 0.2, 0.1)
SIZES = {"12 megapixels": (3000, 4000), "48 megapixels": (6000, 8000)}

Map = np.ndarray


def exact(mask: Map, coarse_px: int) -> Map:
    """Reduce a mask exactly: every cell has its share of the object, better than any network."""
    return resize(mask, *fit_inside(mask.shape[0], mask.shape[1], coarse_px))


def binary(mask: Map, coarse_px: int) -> Map:
    """Reduce a mask to binary cells: borders are wrong by up to half a cell."""
    return (exact(mask, coarse_px) >= 0.5).astype(np.float32)


def displaced(mask: Map, coarse_px: int) -> Map:
    """Reduce a mask with displaced borders: by 0.7 cells (standard deviation), in waves of 4 cells.

    The displacement is smooth noise, the same for the same mask.
    """
    random = np.random.default_rng(int(mask.sum()))
    cell_px = max(mask.shape) / coarse_px
    coarsest = fit_inside(mask.shape[0], mask.shape[1], coarse_px // 4)
    positions = []
    for axis, length in enumerate(mask.shape):
        drift = resize(random.standard_normal(coarsest).astype(np.float32), *mask.shape)
        drift *= 0.7 * cell_px / drift.std()
        positions.append(np.rint(np.indices(mask.shape)[axis] + drift).astype(int))
        positions[axis].clip(0, length - 1, out=positions[axis])
    return exact(mask[tuple(positions)], coarse_px)


DEGRADATIONS: dict[str, Callable[[Map, int], Map]] = {
    f.__name__: f for f in (exact, binary, displaced)
}


def methods(coarse: Map, image: Map) -> Iterator[tuple[str, Map]]:
    """Yield the coarse map at the size of the picture, by every method."""
    yield "enlarged", resize(coarse, *image.shape[:2])
    for radius, eps in FITS:
        yield (
            f"radius 1/{1 / radius:.0f} eps {eps:g}",
            refine(coarse, image, radius=radius, eps=eps),
        )
    yield "the default fitted on 160 px", refine(coarse, image, fit_px=160)


def errors(coarse: list[Map], images: list[Map], masks: list[Map]) -> dict[str, dict[str, float]]:
    """Return the mean absolute error of every method, at every softness of the mask's ramp."""
    found: dict[str, dict[str, list[float]]] = {}
    for small, image, mask in zip(coarse, images, masks, strict=True):
        for method, map in methods(small, image):
            row = found.setdefault(method, {f"softness {s:g}": [] for s in SOFTNESS})
            for softness, values in zip(SOFTNESS, row.values(), strict=True):
                values.append(np.abs(soft_mask(map, 0.5, softness) - mask).mean())
    return {
        method: {name: round(float(np.mean(values)), 5) for name, values in row.items()}
        for method, row in found.items()
    }


def costs(rounds: int, num_sizes: int) -> dict[str, dict[str, float]]:
    """Measure refining and composing: minimum processor time, and peak memory.

    Both run on one thread, so other work on the machine disturbs processor time little. Smaller
    pictures come first, because peak memory never falls.
    """
    measured = {}
    for name, size in list(SIZES.items())[:num_sizes]:
        random = np.random.default_rng(0)
        image = resize(random.integers(0, 256, (30, 40, 3), np.uint8), *size)
        coarse = np.zeros((224, 224), np.float32)
        coarse[60:160, 80:170] = 1
        before_mb = peak_mb()
        map = refine(coarse, image)
        refine_mb = peak_mb() - before_mb
        measured[name] = {
            "refine_cpu_s": least_cpu_s(partial(refine, coarse, image), rounds),
            "compose_cpu_s": least_cpu_s(partial(compose, image, map), rounds),
            "refine_peak_beyond_picture_mb": refine_mb,
            "process_peak_mb": peak_mb(),
        }
    return measured


def least_cpu_s(case: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        case()
        seconds.append(time.process_time() - started)
    return round(min(seconds), 3)


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, help="MSRA10K")
    parser.add_argument("model", nargs="?", help="a saliency network, .onnx")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="picture sizes to time")
    options = parser.parse_args()
    result: dict[str, Any] = {"costs": costs(options.rounds, options.sizes), "errors": {}}
    if options.data:
        measure_errors(result, options.data, options.model)
    write_result("refine", result)


def measure_errors(result: dict[str, Any], data: Path, model: str | None) -> None:
    """Add the errors on every `EVERY`th picture of val.txt to the result."""
    ids = (data / "val.txt").read_text().split()[::EVERY]
    images = [load(data / f"images/{id}.jpg") for id in ids]
    masks = [load(data / f"masks/{id}.png")[..., 0].astype(np.float32) / 255 for id in ids]
    result["pictures"] = f"{len(ids)}, every {EVERY}th of val.txt"
    for (name, degrade), coarse_px in product(DEGRADATIONS.items(), COARSE_PX):
        coarse = [degrade(mask, coarse_px) for mask in masks]
        result["errors"][f"{name}, {coarse_px} px"] = errors(coarse, images, masks)
    if model:
        session = Session(model, task="saliency")
        result["errors"][f"{session.name}, {session.input_px} px"] = errors(
            [session(image) for image in images], images, masks
        )


if __name__ == "__main__":
    main()
