"""Run folders as training and pruning write them, with the toy network."""

import json
import shutil
from pathlib import Path
from typing import Any

EDGE_PROTOCOL = {
    "name": "bsds500-boundaries",
    "nms": "hed",
    "thresholds": 99,
    "max_dist": 0.0075,
    "matching": "minimum-cost",
}


def edge_score(ods: float, num_images: int = 200) -> dict[str, Any]:
    """The output of `EdgeScores.to_dict`."""
    point = {"f": ods, "precision": 0.7, "recall": 0.7, "threshold": 0.4}
    return {
        "ods": point,
        "ois": {**point, "f": ods + 0.01},
        "ap": 0.6,
        "r50": 0.9,
        "num_images": num_images,
        "protocol": EDGE_PROTOCOL,
    }


def saliency_score(max_f: float) -> dict[str, Any]:
    """The part of `SaliencyScores.to_dict` that a report reads."""
    protocol = {"name": "salmetric", "maps_stretched": False, "thresholds": 256}
    return {"max_f": max_f, "mae": 0.1, "s_measure": 0.7, "num_images": 300, "protocol": protocol}


def write_run(folder: Path, network: Path, score: object) -> Path:
    """A folder with a network and its score."""
    folder.mkdir(parents=True)
    shutil.copy(network, folder / "network.onnx")
    (folder / "score.json").write_text(json.dumps(score), "utf-8")
    return folder


def write_chain(folder: Path, network: Path, scores: dict[str, float]) -> Path:
    """A pruning run: a recipe, a step for each score, and the report that orders them."""
    for name, ods in scores.items():
        write_run(folder / name, network, edge_score(ods))
    (folder / "recipe.json").write_text('{"name": "smaller"}', "utf-8")
    steps = [{"name": name} for name in scores]
    (folder / "report.json").write_text(json.dumps({"steps": steps}), "utf-8")
    return folder
