"""Flicker of maps on a static scene, and what smoothing costs where things move.

Three scenes of photos with sensor noise (sigma 4 of 255): a still photo, the same photo panned,
and an object that moves over a still photo. For every strength of `featheredge video --smooth`:

* flicker: mean absolute change of the map from one frame to the next;
* error: mean absolute difference from the expected map of the frame, the mean of its maps under
  eight other draws of the noise. Trails behind moving things would raise it above the error
  without smoothing (strength 0). A plain average without regard to motion is given for comparison.

    python benchmarks/bench_flicker.py [--frames N]
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featheredge import load_image
from featheredge.resize import resize
from featheredge.session import Session
from featheredge.video.smoothing import Smoother
from interleaved import write_result

EXAMPLES = Path(__file__).parents[1] / "examples"
STRENGTHS = (0.0, 0.5, 0.7, 0.9)
SIGMA = 4.0
NUM_DRAWS = 8
HEIGHT, WIDTH = 240, 320
PAN_PX, STEP_PX = 3, 5

Frames = list[NDArray[np.uint8]]


def photo(name: str, height: int, width: int) -> NDArray[np.uint8]:
    return resize(load_image(EXAMPLES / name), height, width)


def still(count: int) -> Frames:
    return [photo("cat.jpg", HEIGHT, WIDTH)] * count


def panned(count: int) -> Frames:
    wide = photo("cat.jpg", HEIGHT, WIDTH + PAN_PX * count)
    return [wide[:, PAN_PX * i : PAN_PX * i + WIDTH].copy() for i in range(count)]


def moving(count: int) -> Frames:
    ground, cup = photo("cat.jpg", HEIGHT, WIDTH), photo("coffee.jpg", 200, 300)[50:150, 100:200]
    frames = []
    for index in range(count):
        frame = ground.copy()
        left = 10 + STEP_PX * index
        frame[70:170, left : left + 100] = cup[:, : WIDTH - left]
        frames.append(frame)
    return frames


SCENES: dict[str, Callable[[int], Frames]] = {"still": still, "panned": panned, "moving": moving}


def noisy(frames: Frames, seed: int) -> Iterator[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    for frame in frames:
        noise = rng.normal(0, SIGMA, frame.shape)
        yield np.rint(np.clip(frame + noise, 0, 255)).astype(np.uint8)


def plain_average(maps: NDArray[np.float32], strength: float) -> NDArray[np.float32]:
    averaged = [maps[0]]
    for map in maps[1:]:
        averaged.append(strength * averaged[-1] + (1 - strength) * map)
    return np.stack(averaged)


def maps_of(session: Session, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    return np.stack([session(frame) for frame in frames])


def measure(session: Session, frames: Frames) -> dict[str, dict[str, float]]:
    draws = (maps_of(session, noisy(frames, seed)) for seed in range(1, NUM_DRAWS + 1))
    expected = sum(draws, np.float32(0)) / NUM_DRAWS
    shown = list(noisy(frames, 0))
    raw = maps_of(session, shown)
    maps = {}
    for strength in STRENGTHS:
        smoother = Smoother(strength)
        maps[f"{strength:g}"] = np.stack(
            [smoother(frame, map) for frame, map in zip(shown, raw, strict=True)]
        )
    maps[f"plain average, {STRENGTHS[2]:g}"] = plain_average(raw, STRENGTHS[2])
    settled = slice(len(frames) // 4, None)
    return {
        name: {
            "flicker": round(float(np.abs(np.diff(values[settled], axis=0)).mean()), 5),
            "error": round(float(np.abs(values - expected)[settled].mean()), 5),
        }
        for name, values in maps.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=24)
    count = parser.parse_args().frames
    result = {
        task: {scene: measure(session, make(count)) for scene, make in SCENES.items()}
        for task, session in (
            ("edges", Session(task="edges")),
            ("saliency", Session(task="saliency")),
        )
    }
    write_result("flicker", {"frames": count, "sigma": SIGMA, "scores": result})


if __name__ == "__main__":
    main()
