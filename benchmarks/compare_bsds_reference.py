"""Comparison of the edge benchmark with the original evaluator, on HED's maps of BSDS500 test.

    python benchmarks/compare_bsds_reference.py --reference hed_bsds500 \
        --bsds data/bsds500

The reference folder holds 200 maps after non-maximum suppression (ID.png) and, in `counts`, the
files that the original evaluator wrote for them (ID_ev1.txt, eval_bdry.txt). The script prints
targets and measurements, writes benchmarks/results/bsds_reference.json, and exits with 1 if a
target is missed.
"""

import argparse
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

from featheredge.metrics.edge_evaluate import evaluate_edges
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.metrics.map_files import annotation_files, pair_up
from interleaved import write_result

Row = tuple[str, str, float, bool]  # what, target, measured, met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--bsds", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--load-note", default="", help="other work on the machine, in words")
    options = parser.parse_args()
    pairs = pair_up(options.reference, annotation_files(options.bsds, "test"))
    protocol = EdgeProtocol(nms="none")
    evaluate_edges(pairs[:2], protocol, workers=options.workers)  # compiles, or loads the cache
    before, load = used_seconds(), os.getloadavg()[0]
    started = time.perf_counter()
    scores = evaluate_edges(pairs, protocol, workers=options.workers)
    seconds = time.perf_counter() - started
    rows = compare_counts(scores, options.reference / "counts")
    rows += compare_scores(scores, options.reference / "counts" / "eval_bdry.txt")
    rows.append(("wall seconds", "< 180, aim < 60", seconds, seconds < 180))
    memory = peak_mb(options.workers)
    rows.append(("peak MB, all processes together", "< 1000", memory, memory < 1000))
    for name, target, measured, met in rows:
        print(f"{name:34} {target:>22} {measured:12.6g}  {'met' if met else 'MISSED'}")
    print(scores)
    record = {
        "rows": [
            dict(zip(("what", "target", "measured", "met"), row, strict=True)) for row in rows
        ],
        "scores": scores.to_dict(),
        "workers": options.workers,
        "cpu_seconds": round(used_seconds() - before, 1),
        "load_before": load,
        "load_note": options.load_note,
    }
    write_result("bsds_reference", record)
    return int(not all(met for *_, met in rows))


def compare_counts(scores: EdgeScores, folder: Path) -> list[Row]:
    """Compare counts with the original: totals exactly, matches within its random variation."""
    tables = [np.loadtxt(folder / f"{name}_ev1.txt") for name in scores.names]
    expected = np.array(tables)[..., 1:].astype(np.int64)
    rows: list[Row] = []
    for column, name in ((1, "sumR"), (3, "sumP")):
        unequal = int((scores.counts[..., column] != expected[..., column]).sum())
        rows.append((f"{name}: images x thresholds unequal", "0", unequal, unequal == 0))
    ours, theirs = scores.counts.sum(axis=0), expected.sum(axis=0)
    for column, name, limit in ((0, "cntR", 0.15), (2, "cntP", 0.5)):
        off = np.abs(ours[:, column] - theirs[:, column]) / np.maximum(theirs[:, column], 1)
        worst = 100 * float(off.max())
        rows.append((f"{name}: worst threshold, % off", f"<= {limit}", worst, worst <= limit))
    return rows


def compare_scores(scores: EdgeScores, path: Path) -> list[Row]:
    *_, ods, _, _, ois, ap = np.loadtxt(path)
    rows: list[Row] = []
    for name, measured, expected, margin in (
        ("ODS", scores.ods.f, ods, 0.001),
        ("OIS", scores.ois.f, ois, 0.001),
        ("AP", scores.ap, ap, 0.002),
    ):
        close = bool(abs(measured - expected) <= margin)
        rows.append((name, f"{expected:.4f} +- {margin}", measured, close))
    return rows


def used_seconds() -> float:
    """Return CPU seconds of this process and of the workers that have ended."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def peak_mb(workers: int) -> float:
    """Return an upper bound: the peak of this process, plus the largest worker once per worker."""
    this_process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest_worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    total = this_process + workers * largest_worker
    return total / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(main())
