"""Kill runs of every verb at random moments, start them again, and compare with undisturbed runs.

    python tools/kill_runs.py [--kills 50] [--verbs train prune ...] [--seed 0] [--output FILE]

Toy networks and tiny pictures. A run is killed with SIGKILL at a moment drawn from its whole
length; the same command is then started again, and every second time killed again, until it ends.
After every kill, every file is read whole. After the end, the files are those of an undisturbed
run, byte for byte but for times, and no temporary file is left.

Every run is a process of its own, forked from one that has imported everything, so that kills fall
into the work and not into the imports.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors import safe_open  # noqa: E402

import featheredge.cli  # noqa: E402
import featheredge.metrics.benchmark  # noqa: E402
import featheredge.runs.prune_run  # noqa: E402
import featheredge.training.teacher_maps  # noqa: E402
from conftest import write_network  # noqa: E402
from featheredge.deploy.export_module import export_module  # noqa: E402
from featheredge.files import is_temporary  # noqa: E402
from featheredge.metrics.edge_metric import count_edges  # noqa: E402
from featheredge.metrics.edge_protocol import EdgeProtocol  # noqa: E402
from featheredge.models import build  # noqa: E402
from featheredge.models.network import Purpose  # noqa: E402
from featheredge.run_folder import LOCK_FILE  # noqa: E402
from prune_runs import custom_recipe_file  # noqa: E402
from toys import TOY_WIDTHS, toy_network, write_bsds, write_recipe  # noqa: E402

#: What differs between two runs: times and machines.
_VARYING = {"samples_per_s", "times", "machine", "share_of_time"}


@dataclass
class Tally:
    """What happened to the runs of one verb.

    Attributes:
        verb: The verb.
        kills: Processes that were killed before they ended.
        completed: Runs that ended after at least one kill.
        equal: Those whose files are an undisturbed run's.
        most_in_one_run: The most kills that one run survived.
        files_checked: Files that were read whole after a kill.
        temporary_files: Temporary files that kills left and the next start removed.
        run_s: Length of the last undisturbed run in seconds.
        problems: What went wrong, a sentence each.
    """

    verb: str
    kills: int = 0
    completed: int = 0
    equal: int = 0
    most_in_one_run: int = 0
    files_checked: int = 0
    temporary_files: int = 0
    run_s: float = 0.0
    problems: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--verbs", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        inputs = prepare(Path(folder) / "inputs")
        warm_up(inputs)
        tallies = [
            disturb(verb, inputs, Path(folder), arguments.kills, arguments.seed)
            for verb in arguments.verbs
        ]
    if arguments.output:
        arguments.output.write_text(json.dumps([asdict(t) for t in tallies], indent=1) + "\n")
    return int(any(tally.problems for tally in tallies))


def prepare(inputs: Path) -> Path:
    """Write the networks, pictures and recipes that the commands read."""
    bsds = write_bsds(write_bsds(inputs / "bsds", "train", 6), "val", 12)
    write_recipe(inputs, bsds, "toy")
    custom_recipe_file(inputs)
    build.save(toy_network(), inputs / "toy", Purpose("edges", None))
    small = {"stem": 4, "blocks": TOY_WIDTHS["blocks"][:2], "top": 0, "head": 4, "dilations": []}
    build.save(toy_network(**small), inputs / "small", Purpose("edges", None))
    write_network(inputs / "toy.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (40, 160, 200, 3), np.uint8)
    (inputs / "photos").mkdir()
    for index, pixels in enumerate(noise):
        Image.fromarray(pixels).save(inputs / f"photos/{index:02}.png")
    return inputs


def warm_up(folder: Path) -> None:
    """Do once in this process what is slow the first time: compile kernels, load the exporter."""
    mask = np.eye(9, dtype=bool)[None]
    count_edges(np.eye(9, dtype=np.float32), mask, EdgeProtocol())
    export_module(torch.nn.Conv2d(3, 1, 1), folder / "warm.onnx", torch.zeros(1, 3, 8, 8))


#: Verb -> its command; IN and OUT stand for the folders of inputs and outputs.
COMMANDS = {
    "train": "train IN/toy.toml -o OUT",
    "prune": "prune IN/custom.toml -o OUT --json",
    "eval": "eval edges IN/toy.onnx IN/bsds --split val --num-thresholds 20 --keep-maps OUT/maps "
    "--csv OUT/curve.csv --bsds-files OUT/bsds --workers 1",
    "label": "label IN/toy IN/photos -o OUT --flip --scales 0.5 1",
    "batch": "edges IN/photos -m IN/toy.onnx -o OUT --workers 2",
    "export": "export IN/small -o OUT/small.onnx -f",
}


def disturb(verb: str, inputs: Path, folder: Path, kills: int, seed: int) -> Tally:
    """Kill runs of a verb until there are enough kills and the last run has ended."""
    tally, moments = Tally(verb), random.Random(f"{seed} {verb}")
    whole = folder / f"{verb}-undisturbed"
    started = time.perf_counter()
    if (code := run(verb, inputs, whole)) != 0:
        tally.problems.append(f"the undisturbed run ended with {code}: {_last_words(whole)}")
        print_row(tally)
        return tally
    tally.run_s = round(time.perf_counter() - started, 2)
    expected = content(whole)
    while tally.kills < kills and len(tally.problems) < 5:
        output = folder / verb
        in_one_run = run_with_kills(verb, inputs, output, moments, tally)
        tally.most_in_one_run = max(tally.most_in_one_run, in_one_run)
        if in_one_run:
            tally.completed += 1
            differing = _differing(expected, content(output))
            tally.equal += not differing
            tally.problems += [f"after {in_one_run} kills: {what}" for what in differing[:3]]
        shutil.rmtree(output)
        print_row(tally, end="\r")
    print_row(tally)
    return tally


def run_with_kills(
    verb: str, inputs: Path, output: Path, moments: random.Random, tally: Tally
) -> int:
    """Start a command until it ends, killing some of its processes; return the kills."""
    kills = 0
    while True:
        spared = kills % 2 == 1 and moments.random() < 0.5
        moment = None if spared else moments.uniform(0, tally.run_s)
        started = time.perf_counter()
        code = run(verb, inputs, output, moment)
        if code == 0 and not kills:  # too late: the machine has become faster since
            tally.run_s = round(time.perf_counter() - started, 2)
        if code == 0:
            return kills
        if code != -signal.SIGKILL:
            tally.problems.append(f"ended with {code}: {_last_words(output)}")
            return kills
        kills += 1
        tally.kills += 1
        left = sum(is_temporary(path) for path in output.rglob(".*"))
        tally.temporary_files += left
        for path in _files(output):
            tally.files_checked += 1
            try:
                read_whole(path)
            except Exception as error:
                tally.problems.append(f"{path.relative_to(output)} is damaged: {error!r}")


def run(verb: str, inputs: Path, output: Path, kill_after_s: float | None = None) -> int:
    """Run a command in a process of its own; return its exit code, or minus the signal."""
    output.mkdir(parents=True, exist_ok=True)
    words = COMMANDS[verb].replace("IN", str(inputs)).replace("OUT", str(output)).split()
    child = os.fork()
    if child == 0:
        _be_the_command(words, output)
    deadline = None if kill_after_s is None else time.perf_counter() + kill_after_s
    while True:
        ended, status = os.waitpid(child, os.WNOHANG if deadline else 0)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if deadline and time.perf_counter() >= deadline:
            os.kill(child, signal.SIGKILL)
            deadline = None
        time.sleep(0.002)


def _be_the_command(words: list[str], output: Path) -> None:
    """Run the command line in this process, and end it."""
    code = 1
    try:
        log = os.open(f"{output}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ["XDG_CACHE_HOME"] = str(output / "cache")
        sys.argv = ["featheredge", *words]
        featheredge.cli.main()
    except SystemExit as end:
        if isinstance(end.code, str):
            os.write(2, end.code.encode())
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os._exit(code)


def _last_words(output: Path) -> str:
    return Path(f"{output}.out").read_text("utf-8")[-300:]


def _files(folder: Path) -> list[Path]:
    """All files but temporary ones and locks."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if not is_temporary(path) and path.name != LOCK_FILE]


def _decode(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _read_tensors(path: Path) -> None:
    with safe_open(path, "np") as file:
        for key in file.keys():  # noqa: SIM118
            file.get_tensor(key)


#: Suffix -> a function that raises an error if the file is not whole.
READERS: dict[str, Callable[[Path], object]] = {
    ".png": _decode,
    ".json": lambda path: json.loads(path.read_bytes()),
    ".jsonl": lambda path: [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]],
    ".safetensors": _read_tensors,
    ".onnx": lambda path: onnx.checker.check_model(onnx.load(path), full_check=True),
    ".npy": lambda path: np.load(path, allow_pickle=False),
    ".csv": lambda path: np.genfromtxt(path, delimiter=",", skip_header=1),
    ".txt": np.genfromtxt,
}


def read_whole(path: Path) -> None:
    """Read a file to its end; an error if it is not complete."""
    if path.suffix in (".jsonl", ".txt", ".csv"):
        assert path.read_bytes()[-1:] == b"\n", "the last line is not complete"
    READERS[path.suffix](path)


def content(folder: Path) -> dict[str, bytes]:
    """Relative path -> content of every file, also of temporary ones; times are left out."""
    return {
        path.relative_to(folder).as_posix(): _without_times(path, folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _without_times(path: Path, folder: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix in (".json", ".jsonl"):
        lines = data.splitlines() if path.suffix == ".jsonl" else [data]
        data = json.dumps([_stripped(json.loads(line)) for line in lines]).encode()
    return data.replace(str(folder).encode(), b"OUT")


def _stripped(value: Any) -> Any:
    """A parsed value without the keys that vary between runs."""
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if key not in _VARYING}
    return [_stripped(item) for item in value] if isinstance(value, list) else value


def _differing(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """Name the files that are missing, additional or different."""
    return [
        *(f"{name} is missing" for name in expected.keys() - found.keys()),
        *(f"{name} is additional" for name in found.keys() - expected.keys()),
        *(f"{n} differs" for n in expected.keys() & found.keys() if expected[n] != found[n]),
    ]


def print_row(tally: Tally, end: str | None = None) -> None:
    print(
        f"{tally.verb:7} {tally.kills:3} kills, {tally.completed:3} runs completed after kills, "
        f"{tally.equal:3} equal to an undisturbed run ({tally.run_s} s), at most "
        f"{tally.most_in_one_run} kills in one run, {tally.files_checked} files read whole, "
        f"{tally.temporary_files} temporary files removed, {len(tally.problems)} problems",
        end=end,
        flush=True,
    )
    if end is None:
        for problem in tally.problems:
            print(f"  {problem}")


if __name__ == "__main__":
    sys.exit(main())
