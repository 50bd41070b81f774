"""Plot of the precision-recall curves of several edge models on BSDS500 test.

    python tools/draw_curves.py teacher.onnx mobile-edge mobile-edge-s --bsds data/bsds500 \
        --out docs/images/edges-pr.png

The script also prints the scores of each model.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from featheredge.metrics.benchmark import score_bsds
from featheredge.metrics.pr_curve import HUMAN_BSDS500, plot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names from the catalog, or .onnx files")
    parser.add_argument("--bsds", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    curves = {}
    for model in options.models:
        with TemporaryDirectory() as folder:
            scores = score_bsds(model, options.bsds, Path(folder), workers=options.workers)
        curves[Path(model).stem] = scores
        print(f"{model}\n{scores}\n")
    plot(curves, options.out, HUMAN_BSDS500)
    print(options.out)


if __name__ == "__main__":
    main()
