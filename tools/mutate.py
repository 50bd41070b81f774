"""Mutation tests: change the source in one place at a time, and list the changes no test notices.

    python tools/mutate.py channels --places 100 -o mutants.json
    python tools/mutate.py channels --again mutants.json -o again.json   # only those not noticed

The changes are those of cosmic-ray: another operator, number, comparison or keyword. Each place of
a seeded sample gets one of them. The tests of the package run in a copy of the repository, in a
process forked from one that has already imported the heavy libraries.

Compiled functions run as plain Python, except those of matching.py, whose hashes need the overflow
of 64-bit integers: they are compiled again for every change.
"""

import argparse
import ast
import contextlib
import difflib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
SOURCE = Path("src/featheredge")
TESTS = {
    "channels": ["tests/channels"],
    "metrics": ["tests/metrics", "tests/test_difficult_pictures.py"],
    "deploy/rewrite": ["tests/deploy/test_rewrite.py", "tests/deploy/test_export_rewritten.py"],
}
PLAIN = {  # compiled files whose tests are quicker as plain Python
    "saliency_kernels.py": ["tests/metrics/test_saliency_metric.py"],
    "thinning.py": ["tests/metrics/test_matching.py", "-k", "thin"],
}
PRELOADED = ("numpy", "scipy.ndimage", "scipy.optimize", "PIL.Image", "hypothesis.extra.numpy")
PRELOADED_LAB = ("torch", "onnx", "onnxruntime", "onnxscript", "torch_pruning")


@dataclass(frozen=True)
class Mutant:
    """One change: an operator of cosmic-ray at its n-th place in a file."""

    file: str
    line: int
    operator: str
    occurrence: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", choices=TESTS)
    parser.add_argument("--places", type=int, default=100, help="how many places are changed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time")
    parser.add_argument("--again", type=Path, help="repeat what no test noticed in this output")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a JSON file")
    options = parser.parse_args()
    former = json.loads(options.again.read_text("utf-8")) if options.again else None
    with tempfile.TemporaryDirectory() as folder:
        copy_repository(Path(folder))
        os.chdir(folder)
        sys.path[:0] = ["src", "tests"]
        for name in PRELOADED + (() if options.package == "metrics" else PRELOADED_LAB):
            importlib.import_module(name)
        if former is None:
            mutants = sample(options.package, options.places, options.seed)
        else:
            kept = [result for result in former if not result["killed"]]
            mutants = [Mutant(*(result[field.name] for field in fields(Mutant))) for result in kept]
        results = list(run_all(options.package, mutants, 60 * options.minutes))
    options.output.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    killed = sum(bool(result["killed"]) for result in results)
    print(f"{options.package}: {len(results)} mutants, {killed} killed")
    for result in results:
        if not result["killed"]:
            print(f"\n{result['file']}:{result['line']} {result['operator']}\n{result['change']}")


def copy_repository(folder: Path) -> None:
    """Copy the files that git knows, changed or not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def sample(package: str, places: int, seed: int) -> list[Mutant]:
    """Return one mutant for each of a number of random places, in a random order."""
    at_place: dict[tuple[str, int, int], list[Mutant]] = {}
    for path in sorted((SOURCE / package).glob("*.py")):
        for position, mutant in all_mutants(path):
            at_place.setdefault((path.name, *position), []).append(mutant)
    chance = random.Random(seed)
    chosen = chance.sample(sorted(at_place), min(places, len(at_place)))
    return [chance.choice(at_place[place]) for place in chosen]


def all_mutants(path: Path) -> Iterator[tuple[tuple[int, int], Mutant]]:
    """Yield every change of a file and its line and column, except changes of annotations."""
    code = path.read_text("utf-8")
    ignored = annotated_spans(code)
    nodes = list(ast_nodes(get_ast(code)))
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():
            continue
        operator = kind()
        starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(starts):
            if not any(first <= start < last for first, last in ignored):
                yield start, Mutant(str(path), start[0], name, occurrence)


def annotated_spans(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the spans of types and of `@njit`, whose changes have no effect on results."""
    spans = []
    for node in ast.walk(ast.parse(code)):
        types = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for part in (*types, *getattr(node, "decorator_list", ())):
            if part is not None:
                spans.append(
                    ((part.lineno, part.col_offset - 1), (part.end_lineno, part.end_col_offset))
                )
    return spans


def run_all(package: str, mutants: list[Mutant], seconds: float) -> Iterator[dict[str, object]]:
    """Run the tests with each change until the time is over, and yield the results."""
    started = time.monotonic()
    _, took = run_tests(TESTS[package], plain=False, limit=1800)  # compiles, too
    kept, took = run_tests(TESTS[package], plain=False, limit=1800)
    if kept:
        sys.exit(f"the tests of {package} fail without a change")
    for number, mutant in enumerate(mutants):
        if time.monotonic() - started > seconds:
            break
        path = Path(mutant.file)
        original, stamp = path.read_text("utf-8"), path.stat()
        operator = get_operator(mutant.operator)()
        changed = MutationVisitor.mutate_code(original, operator, mutant.occurrence)
        tests = PLAIN.get(path.name, TESTS[package])
        path.write_text(changed, "utf-8")
        failed, _ = run_tests(tests, plain=path.name in PLAIN, limit=60 + 4 * took)
        path.write_text(original, "utf-8")
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        print(f"{number + 1}/{len(mutants)} {'killed' if failed else 'SURVIVED'} {mutant}")
        lines = difflib.unified_diff(original.splitlines(), changed.splitlines(), n=0, lineterm="")
        yield asdict(mutant) | {"killed": bool(failed), "change": "\n".join(list(lines)[3:])}


def run_tests(tests: list[str], *, plain: bool, limit: float) -> tuple[int, float]:
    """Run tests in a forked process; return 0 if all pass, and the seconds taken.

    Tests that exceed the limit count as failed.
    """
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.environ["NUMBA_DISABLE_JIT"] = str(int(plain))
        sys.dont_write_bytecode = True  # a change within a second would not be noticed
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1), os.dup2(silent, 2)
        options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        os._exit(int(pytest.main([*options, *tests])))
    while time.monotonic() - started < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status, time.monotonic() - started
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1, limit


if __name__ == "__main__":
    main()
