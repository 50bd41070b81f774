"""Scores of the authors' PiDiNet on BSDS500 test, compared with their published scores.

    python benchmarks/score_peer.py --weights pidinet_bsds_voc.safetensors \
        --bsds data/bsds500

The weights pass through the same steps as every model: plain convolutions, ONNX, `Session`, NMS,
evaluator. Agreement therefore checks all of these together. The script writes
benchmarks/results/pidinet.json, and exits with 1 if a score differs by more than the margin.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import load_file

from featheredge.deploy.export import export_network
from featheredge.metrics.benchmark import score_bsds
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.models.pidinet import PiDiNet, to_plain
from featheredge.models.tensors import load_weights
from interleaved import write_result

#: Single scale, trained on BSDS500 and VOC (Su et al., ICCV 2021, and the authors' repository).
PUBLISHED = {"ods": 0.8066, "ois": 0.8228, "ap": 0.8345}
MARGIN = 0.003


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--bsds", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    network = PiDiNet()
    load_weights(network, load_file(options.weights), str(options.weights))
    with TemporaryDirectory() as folder:
        scores = score(network, options.bsds, Path(folder), options.workers)
    measured = {"ods": scores.ods.f, "ois": scores.ois.f, "ap": scores.ap}
    rows = {
        name: {
            "published": PUBLISHED[name],
            "measured": round(value, 4),
            "met": abs(value - PUBLISHED[name]) <= MARGIN,
        }
        for name, value in measured.items()
    }
    parameters = {
        "difference form": sum(p.numel() for p in network.parameters()),
        "plain form": sum(p.numel() for p in to_plain(network).parameters()),
    }
    facts = {"margin": MARGIN, "compared": rows, "parameters": parameters}
    write_result("pidinet", {**facts, "scores": scores.to_dict()})
    return int(not all(row["met"] for row in rows.values()))


def score(network: PiDiNet, bsds: Path, folder: Path, workers: int) -> EdgeScores:
    """Export the network, write its maps of the test pictures to a folder, and score them."""
    model, maps = folder / "pidinet.onnx", folder / "maps"
    export_network(network, model, name="pidinet", task="edges", storage="fp32")
    return score_bsds(str(model), bsds, maps, workers=workers)


if __name__ == "__main__":
    sys.exit(main())
