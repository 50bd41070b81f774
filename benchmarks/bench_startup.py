"""Start-up time of `import featheredge`, of its first use, and of `featheredge --help`.

Budgets: at most 0.2 s for the import and first use beyond the import of numpy, 0.3 s for `--help`.

    python benchmarks/bench_startup.py [ROUNDS]
"""

import subprocess
import sys
from functools import partial

from interleaved import time_cases, write_result

NUMPY = "import numpy"
FIRST_USE = "import numpy, featheredge; featheredge.edges"
HELP = "featheredge --help"


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)


def main(rounds: int) -> None:
    codes = ("pass", NUMPY, "import featheredge", FIRST_USE)
    cases = {code: partial(run, "-c", code) for code in codes}
    cases[HELP] = partial(run, "-m", "featheredge", "--help")
    times = time_cases(cases, rounds)
    beyond_numpy_ms = round(times[FIRST_USE]["min_ms"] - times[NUMPY]["min_ms"], 2)
    budgets = {
        "import and first use beyond numpy": {"budget_ms": 200, "min_ms": beyond_numpy_ms},
        HELP: {"budget_ms": 300, "min_ms": times[HELP]["min_ms"]},
    }
    write_result("startup", {"budgets": budgets, "cases": times})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
