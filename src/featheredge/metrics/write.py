"""Writers of scores: CSV files, and the text files of the original BSDS500 benchmark."""

import io
from pathlib import Path

import numpy as np

from featheredge.files import write_bytes
from featheredge.metrics.edge_scores import EdgeScores, best_point, f_measure, rates
from featheredge.metrics.saliency_scores import SaliencyScores


def write_edge_csv(scores: EdgeScores, path: Path) -> None:
    """Write the curve as CSV, a row per threshold: recall, precision, f and the four counts."""
    thresholds, recall, precision = scores.curve()
    rows = ["threshold,recall,precision,f,cntR,sumR,cntP,sumP"]
    columns = (thresholds, recall, precision, f_measure(recall, precision))
    for rate, counts in zip(zip(*columns, strict=True), scores.counts.sum(axis=0), strict=True):
        rows.append(",".join([*(f"{value:.6f}" for value in rate), *map(str, counts)]))
    write_bytes(path, ("\n".join(rows) + "\n").encode())


def write_saliency_csv(scores: SaliencyScores, path: Path) -> None:
    """Write the curves as CSV, a row per threshold: recall, precision, f and e."""
    text = io.StringIO()
    columns = (scores.thresholds, scores.recall, scores.precision, scores.f, scores.e)
    header = "threshold,recall,precision,f,e"
    np.savetxt(text, np.column_stack(columns), "%.6f", ",", header=header, comments="")
    write_bytes(path, text.getvalue().encode())


def write_bsds_files(scores: EdgeScores, folder: Path) -> None:
    """Write the text files of the original benchmark, for tools that read them.

    - `ID_ev1.txt`: threshold, cntR, sumR, cntP, sumP.
    - `eval_bdry_img.txt`: for every image its number, and the threshold, recall, precision and F
      of its best threshold.
    - `eval_bdry_thr.txt`: threshold, recall, precision, F.
    - `eval_bdry.txt`: threshold, recall, precision and F of ODS; recall, precision and F of OIS;
      AP.
    """
    thresholds, recall, precision = scores.curve()
    best = []
    for number, (name, counts) in enumerate(zip(scores.names, scores.counts, strict=True), 1):
        _write_table(folder / f"{name}_ev1.txt", np.column_stack([thresholds, counts]))
        point = best_point(thresholds, *rates(counts))
        best.append([number, point.threshold, point.recall, point.precision, point.f])
    _write_table(folder / "eval_bdry_img.txt", np.array(best, np.float64))
    curve = np.column_stack([thresholds, recall, precision, f_measure(recall, precision)])
    _write_table(folder / "eval_bdry_thr.txt", curve)
    ods, ois = scores.ods, scores.ois
    summary = [ods.threshold, ods.recall, ods.precision, ods.f]
    summary += [ois.recall, ois.precision, ois.f, scores.ap]
    _write_table(folder / "eval_bdry.txt", np.array([summary], np.float64))


def _write_table(path: Path, rows: np.ndarray) -> None:
    text = io.StringIO()
    np.savetxt(text, rows, fmt="%10g")
    write_bytes(path, text.getvalue().encode())
