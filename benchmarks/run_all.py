"""Quick run of every benchmark that needs no data from outside, and a list of those that do.

    python benchmarks/run_all.py [--results DIR]

Few rounds and small sizes show that each benchmark works; for numbers to quote, run the script
itself with its default settings. The results go to DIR, not to benchmarks/results.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from interleaved import RESULTS_VARIABLE

HERE = Path(__file__).parent

#: Commands with quick settings.
QUICK = (
    "bench_startup.py 2",
    "bench_latency_table.py mobile-edge-s --size 64 96 --points 2 --rounds 1",
    "bench_precision.py mobile-edge-s --crop-px 64 --batch 1 --rounds 1",
    "bench_flicker.py --frames 4",
    "bench_video.py --frames 4 --rounds 1",
    "bench_path.py --rounds 1 --sizes 160x120",
    "bench_folder.py --pictures 8 --rounds 1 --cases xs",
    "measure_overlap.py mobile-edge-xs --tile 256",
    "bench_refine.py --rounds 1 --sizes 1",
    "bench_formats.py mobile-edge-xs --rounds 1",
    "bench_threads.py mobile-edge-xs --rounds 1 --sizes 64",
    "load_server.py --clients 20 --seconds 2 --requests 100 --side-px 200 --max-growth-mb 200",
    "bench_rewrites.py csnet-l-x1 --size 64 --rounds 2",
    "bench_cache.py --pictures 2000 --steps 25 --rounds 2",
)

#: Scripts that cannot run here -> what they need.
SKIPPED = {
    "bench_ray.py": "Ray: pip install '.[ray]'",
    "bench_page.py": "Chromium, and `pip install playwright`",
    "bench_saliency_metrics.py": "an environment with PySODMetrics; give --pysod PYTHON",
    "bench_training.py": "the data set of a recipe; give RECIPE --set data.root=DIR",
    "compare_bsds_reference.py": "BSDS500 and HED's maps with the counts of the original "
    "evaluator; give --bsds DIR --reference DIR",
    "compare_paths.py": "another tree and a folder of pictures; give TREE PICTURES",
    "score_confidence.py": "pictures and a verdict on each cut-out; give VERDICTS PICTURES",
    "score_csnet.py": "weights of CSNet, the masks of SOD and BSDS500; give --weights FILE "
    "--masks DIR --bsds DIR",
    "score_cutouts.py": "pictures with accurate masks; give DATA",
    "score_peer.py": "weights of PiDiNet and BSDS500; give --weights FILE --bsds DIR",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("bench-out"))
    results = parser.parse_args().results.resolve()
    failed = [command for command in QUICK if not run(command, results)]
    for script, needs in SKIPPED.items():
        print(f"skipped  {script}: needs {needs}")
    print(f"{len(QUICK) - len(failed)} of {len(QUICK)} benchmarks ran; results are in {results}")
    return int(bool(failed))


def run(command: str, results: Path) -> bool:
    """Run a benchmark and print how long it took; return whether it succeeded."""
    script, *arguments = command.split()
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, HERE / script, *arguments],
        env={**os.environ, RESULTS_VARIABLE: str(results)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    print(f"{'failed' if done.returncode else 'ran':8} {command}: {seconds:.0f} s", flush=True)
    if done.returncode:
        print(done.stdout)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
