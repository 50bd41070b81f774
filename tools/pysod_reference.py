"""Reference scores of small maps by PySODMetrics, written to a file for the tests.

PySODMetrics pins versions that differ from this project's, so it needs its own environment:

    python3 -m venv /tmp/pysod
    /tmp/pysod/bin/pip install pysodmetrics==1.6.2
    /tmp/pysod/bin/python tools/pysod_reference.py tests/metrics/pysod_reference.json

Pixels are stored as hexadecimal bytes, so the tests do not depend on random numbers.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import py_sod_metrics
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
#: Every 15th threshold of a curve is stored, from 0 to 255.
STEP = 15


def cases() -> Iterator[tuple[str, Bytes, Bytes]]:
    """Yield name, map and mask of every case."""
    rng = np.random.default_rng(20)
    noise = rng.integers(30, 221, (19, 23), np.uint8)
    disc = _disc(19, 23)
    for name, mask in {
        "noise, disc": disc,
        "noise, empty mask": np.zeros_like(disc),
        "noise, full mask": np.full_like(disc, 255),
        "noise, one salient pixel": np.pad(np.full((1, 1), 255, np.uint8), ((7, 11), (4, 18))),
        "noise, scattered mask": (rng.random(disc.shape) < 0.2).astype(np.uint8) * 255,
    }.items():
        yield name, noise, mask
    yield "map equal to mask", disc, disc
    yield "map opposite to mask", 255 - disc, disc
    yield "black map", np.zeros_like(disc), disc
    yield "white map", np.full_like(disc, 255), disc
    yield "grey map of one level", np.full_like(disc, 128), disc
    yield "black map, empty mask", np.zeros_like(disc), np.zeros_like(disc)
    yield "white map, full mask", np.full_like(disc, 255), np.full_like(disc, 255)
    yield "binary map", (rng.random((16, 9)) < 0.6).astype(np.uint8) * 255, _disc(16, 9)
    rows = np.repeat(np.array([[0, 255, 255, 0, 255, 0, 0, 0, 0]], np.uint8), 3, axis=0)
    yield "three rows", rng.integers(0, 256, rows.shape, np.uint8), rows
    for height, width in ((37, 53), (48, 41)):
        yield f"soft disc {height}x{width}", _soft(height, width, rng), _disc(height, width)


def _distance(height: int, width: int) -> NDArray[np.float64]:
    """Return the distance from a point near the centre, (H, W), about 1 at the borders."""
    y, x = np.mgrid[:height, :width]
    return np.hypot(y / height - 0.45, x / width - 0.55) * 2


def _disc(height: int, width: int) -> Bytes:
    return (_distance(height, width) < 0.6).astype(np.uint8) * 255


def _soft(height: int, width: int, rng: np.random.Generator) -> Bytes:
    """Make a map like a network's: correct in the middle, soft and noisy at the border."""
    logits = 8 * (0.55 - _distance(height, width)) + rng.normal(0, 0.7, (height, width))
    return np.rint(240 / (1 + np.exp(-logits))).astype(np.uint8)


def score(pairs: list[tuple[Bytes, Bytes]]) -> dict[str, Any]:
    """Compute all measures of a set of (map, mask); thresholds of curves ascend."""
    metrics = {
        "mae": py_sod_metrics.MAE(),
        "s_measure": py_sod_metrics.Smeasure(),
        "weighted_f": py_sod_metrics.WeightedFmeasure(),
        "e": py_sod_metrics.Emeasure(),
        "f": py_sod_metrics.Fmeasure(),
    }
    for map, mask in pairs:
        for metric in metrics.values():
            metric.step(map, mask)
    found = {name: metric.get_results() for name, metric in metrics.items()}
    e, f, rates = found["e"]["em"], found["f"]["fm"], found["f"]["pr"]
    curves = {"e": e["curve"], "f": f["curve"], "precision": rates["p"], "recall": rates["r"]}
    return {
        "mae": float(found["mae"]["mae"]),
        "s_measure": float(found["s_measure"]["sm"]),
        "weighted_f": float(found["weighted_f"]["wfm"]),
        **{f"adaptive_{name}": float(value["adp"]) for name, value in (("e", e), ("f", f))},
        **{f"max_{name}": float(curves[name].max()) for name in "ef"},
        **{f"mean_{name}": float(curves[name].mean()) for name in "ef"},
        "curves": {name: curve[::-1][::STEP].tolist() for name, curve in curves.items()},
    }


def main(target: Path) -> None:
    """Score every case alone, then all together."""
    warnings.simplefilter("ignore", UserWarning)  # Fmeasure is deprecated but still correct
    all_cases = list(cases())
    scored = [
        {
            "name": name,
            "shape": map.shape,
            "map": map.tobytes().hex(),
            "mask": mask.tobytes().hex(),
            "scores": score([(map, mask)]),
        }
        for name, map, mask in all_cases
    ]
    together = score([(map, mask) for _, map, mask in all_cases])
    facts = {"pysodmetrics": version("pysodmetrics"), "curve_step": STEP, "together": together}
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in scored)
    head = json.dumps(facts, allow_nan=False).removesuffix("}")
    target.write_text(f'{head},\n"cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
