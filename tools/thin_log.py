"""Thin the log of a training run: keep one line for each epoch instead of one for each step.

    python tools/thin_log.py runs/mobile-edge/log.jsonl --epochs 3 \
        -o docs/training-logs/mobile-edge.jsonl

A run of fewer than 20 epochs keeps at least 20 lines, equally many for each epoch, so that its
curve still has a shape. A line holds the last step of its part, the number of steps averaged, their
mean loss, the last learning rate, the median speed, and the validation loss if that step has one.
"""

import argparse
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

Record = dict[str, Any]
MIN_LINES = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path, help="log.jsonl of a run folder")
    parser.add_argument("--epochs", type=int, required=True, help="epochs of the run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="may be the same file")
    options = parser.parse_args()
    records = [json.loads(line) for line in options.log.read_text("utf-8").splitlines()]
    lines = [json.dumps(record) + "\n" for record in thin(records, options.epochs)]
    options.output.write_text("".join(lines), "utf-8")
    print(f"{options.output}: {len(lines)} of {len(records)} lines")


def thin(records: Sequence[Record], epochs: int) -> Iterator[Record]:
    """Yield one record for each epoch, or equal parts of an epoch for at least `MIN_LINES` records.

    Raises:
        ValueError: The log is thinned already.
    """
    if any("steps" in record for record in records):
        raise ValueError("this log is thinned already; give the log.jsonl of the run")
    steps = [record for record in records if "loss" in record]
    val_loss = {r["step"]: r["val_loss"] for r in records if "val_loss" in r}
    parts = min(epochs * math.ceil(MIN_LINES / epochs), len(steps))
    bounds = [round(index * len(steps) / parts) for index in range(parts + 1)]
    for start, end in itertools.pairwise(bounds):
        yield _summary(steps[start:end], len(steps) / epochs, val_loss)


def _summary(steps: Sequence[Record], steps_per_epoch: float, val_loss: dict[int, float]) -> Record:
    last = steps[-1]
    summary = {
        "step": last["step"],
        "epoch": round(last["step"] / steps_per_epoch, 3),
        "steps": len(steps),
        "loss": _rounded(fmean(step["loss"] for step in steps)),
        "lr": _rounded(last["lr"]),
        "samples_per_s": _rounded(median(step["samples_per_s"] for step in steps)),
    }
    if last["step"] in val_loss:
        summary["val_loss"] = _rounded(val_loss[last["step"]])
    return summary


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


if __name__ == "__main__":
    main()
