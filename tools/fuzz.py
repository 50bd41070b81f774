"""Feed every reader of files from elsewhere with damaged and invented input, for a bounded time.

    python tools/fuzz.py [--seconds 600] [--targets image config ...] [--output FILE]

Every target runs in processes of its own: with Hypothesis, which mixes noise, changed copies of
valid files and invented structures, and with Atheris (`pip install 'featheredge[fuzz]'`), which
follows the code that an input reaches. A reader may refuse an input with an error of featheredge.
Anything else is a finding: another exception, a crash, more than ten seconds for one input, or
2 GB of memory. The input of a finding is kept in fuzz-out/. The exit code is 1 if there is one.
"""

import argparse
import contextlib
import faulthandler
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
FOUND = Path("fuzz-out")
#: Readers that import PyTorch, which takes Atheris minutes; Hypothesis alone tries them.
WITHOUT_ATHERIS = ("recipe", "config", "safetensors")
_STARTED = time.monotonic()
_MAX_SECONDS_EACH = 10
_MAX_GB = 2

Check = Callable[[bytes], object]
"""Reads one input; raises a FeatheredgeError if it refuses it."""


@dataclass
class Result:
    """What one engine did with one target.

    Attributes:
        target: A key of `TARGETS`.
        engine: "hypothesis" or "atheris".
        inputs: Inputs tried.
        accepted: Inputs that were read without an error; None if the engine does not count them.
        seconds: How long it ran.
        peak_mb: The most memory that the process had.
        findings: What went wrong, a line each.
    """

    target: str
    engine: str
    inputs: int = 0
    accepted: int | None = None
    seconds: float = 0.0
    peak_mb: int = 0
    findings: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--targets", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--output", type=Path, help="a JSON file for the results")
    parser.add_argument("--only", help=argparse.SUPPRESS)  # ENGINE: run it here
    arguments = parser.parse_args()
    if arguments.only:
        return fuzz_here(arguments.targets[0], arguments.only, arguments.seconds)
    runs = [(target, "hypothesis") for target in arguments.targets]
    if find_spec("atheris"):
        runs += [(t, "atheris") for t in arguments.targets if t not in WITHOUT_ATHERIS]
    share = arguments.seconds / len(runs)
    results = []
    print(f"{'target':12} {'engine':10} {'inputs':>9} {'accepted':>9} {'s':>5} {'MB':>5} findings")
    for target, engine in sorted(runs, key=lambda run: arguments.targets.index(run[0])):
        result = fuzz_in_process(target, engine, share)
        accepted = "" if result.accepted is None else result.accepted
        print(
            f"{target:12} {engine:10} {result.inputs:9,} {accepted:>9} {result.seconds:5.0f} "
            f"{result.peak_mb:5} {'; '.join(result.findings) or '-'}",
            flush=True,
        )
        results.append(result)
    print(f"{sum(result.inputs for result in results):,} inputs in all")
    if arguments.output:
        text = json.dumps([asdict(result) for result in results], indent=1)
        arguments.output.write_text(text + "\n")
    return int(any(result.findings for result in results))


def fuzz_in_process(target: str, engine: str, seconds: float) -> Result:
    """Run an engine in a process of its own; whatever ends that process badly is a finding."""
    FOUND.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--targets", target, "--only", engine]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [*command, "--seconds", str(seconds)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds + 400,
                check=False,
                env={**os.environ, "TMPDIR": folder},
            )
        except subprocess.TimeoutExpired:
            return Result(target, engine, seconds=seconds, findings=["the process hangs"])
    result = Result(target, engine, seconds=round(time.monotonic() - started, 1))
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            result = Result(**{**asdict(result), **json.loads(line)})
    if executed := re.search(r"number_of_executed_units: (\d+)", done.stderr):
        result.inputs = int(executed[1])
        result.peak_mb = int(re.findall(r"peak_rss_mb: +(\d+)", done.stderr)[0])
    elif done.returncode and not result.findings:
        (FOUND / f"{target}-{engine}.log").write_text(done.stderr)
        result.findings = [f"exit code {done.returncode}: {_last_line(done.stderr)}"]
    if engine == "atheris" and done.returncode:
        (FOUND / f"{target}-{engine}.log").write_text(done.stderr)
        result.findings = [f"exit code {done.returncode}: {_exception(done.stderr)}"]
    return result


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][:200]


def _exception(text: str) -> str:
    lines = re.findall(r"^(?:[\w.]+(?:Error|Exception)\b.*|==\d+== ERROR.*)$", text, re.MULTILINE)
    return (lines or [_last_line(text)])[0][:200]


def fuzz_here(target: str, engine: str, seconds: float) -> int:
    """Run an engine on a target in this process."""
    warnings.simplefilter("ignore")
    if engine == "atheris":
        _run_atheris(target, seconds)  # ends the process
    return _run_hypothesis(target, seconds)


def _run_hypothesis(target: str, seconds: float) -> int:
    from hypothesis import HealthCheck, Phase, given, seed, settings

    make, strategy = TARGETS[target]
    check, seeds = make(Path(tempfile.mkdtemp()))
    limit = 12_000_000_000  # of addresses; torch and ONNX Runtime reserve several GB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    FOUND.mkdir(exist_ok=True)
    last, result = FOUND / f"{target}-last.bin", Result(target, "hypothesis", accepted=0)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    deadline = time.monotonic() + _left(seconds)

    def one(data: bytes) -> None:
        if time.monotonic() > deadline:
            return
        last.write_bytes(data)
        faulthandler.dump_traceback_later(_MAX_SECONDS_EACH, exit=True)
        result.inputs += 1
        try:
            result.accepted = (result.accepted or 0) + _accepts(check, data)
        except Exception as error:
            kept = FOUND / f"{target}-{len(result.findings)}.bin"
            what = f"{type(error).__name__}: {str(error)[:120]} ({kept})"
            if what.split(":")[0] not in {seen.split(":")[0] for seen in result.findings}:
                kept.write_bytes(data)
                result.findings.append(what)
        finally:
            faulthandler.cancel_dump_traceback_later()

    round = 0
    while time.monotonic() < deadline:
        options = settings(
            max_examples=200,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(round)(options(given(strategy(seeds))(one)))()
        round += 1
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if peak_mb - before_mb > 1000 * _MAX_GB:
        result.findings.append(f"{peak_mb} MB of memory")
    last.unlink(missing_ok=True)
    counted = {"inputs": result.inputs, "accepted": result.accepted, "peak_mb": peak_mb}
    print(json.dumps({**counted, "findings": result.findings}))
    return 0


def _left(seconds: float) -> float:
    """Return the seconds that are left of this process's share, and at least half of it."""
    return max(_STARTED + seconds - time.monotonic(), seconds / 2)


def _run_atheris(target: str, seconds: float) -> None:
    import atheris

    with atheris.instrument_imports(include=["featheredge", "PIL", "scipy.io"]):
        check, seeds = TARGETS[target][0](Path(tempfile.mkdtemp()))
    corpus = Path(tempfile.mkdtemp())
    for index, data in enumerate(seeds):
        (corpus / f"{index}").write_bytes(data)
    limits = [
        f"-max_total_time={_left(seconds):.0f}",
        f"-timeout={_MAX_SECONDS_EACH}",
        f"-rss_limit_mb={1000 * _MAX_GB + 1000}",
        "-print_final_stats=1",
        f"-artifact_prefix={FOUND}/{target}-",
        "-max_len=20000",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *limits], lambda data: _accepts(check, data) and None)
    atheris.Fuzz()


def _accepts(check: Check, data: bytes) -> bool:
    """Return whether a reader takes the input; only errors of featheredge are a refusal."""
    from featheredge.errors import FeatheredgeError

    try:
        check(data)
    except FeatheredgeError:
        return False
    return True


# --- the targets: each returns its reader and some valid files ---


def image(folder: Path) -> tuple[Check, list[bytes]]:
    from PIL import Image

    from featheredge.animation import read_frames
    from featheredge.image import failures_named, load, open_image
    from featheredge.image_metadata import read_metadata

    def check(data: bytes) -> None:
        opened = open_image(io.BytesIO(data), "x")
        with failures_named("x"):
            read_metadata(opened)
        if frames := read_frames(opened, "x", 0.5):
            list(frames)
        load(data, max_megapixels=0.5)

    seeds = []
    picture = Image.radial_gradient("L").resize((24, 16)).convert("RGB")
    for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"):
        file = io.BytesIO()
        with contextlib.suppress(KeyError, OSError):  # a build of Pillow without this format
            picture.save(file, format)
            seeds.append(file.getvalue())
    animated = io.BytesIO()
    picture.save(animated, "GIF", save_all=True, append_images=[picture.rotate(90)])
    return check, [*seeds, animated.getvalue()]


def recipe(folder: Path) -> tuple[Check, list[bytes]]:
    from featheredge.run_folder import MINIMAL_RECIPES_DIR, RECIPES_DIR
    from featheredge.runs.prune_recipe import load_prune_recipe
    from featheredge.training.recipe import load_recipe

    path = folder / "recipe.toml"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        load = load_prune_recipe if b"[prune" in data or b"source" in data else load_recipe
        load(path)

    files = [*MINIMAL_RECIPES_DIR.glob("*.toml"), RECIPES_DIR / "prune-mobile-edge.toml"]
    return check, [path.read_bytes() for path in (*files, RECIPES_DIR / "csnet-x1.toml")]


def config(folder: Path) -> tuple[Check, list[bytes]]:
    from featheredge.models import build
    from featheredge.models.purpose import read_purpose

    seeds = _saved_networks(folder / "saved")

    def check(data: bytes) -> None:
        (folder / "saved" / build.CONFIG_FILE).write_bytes(data)
        read_purpose(str(folder / "saved"))
        build.load(folder / "saved")

    return check, [config for config, _ in seeds]


def safetensors(folder: Path) -> tuple[Check, list[bytes]]:
    from safetensors.numpy import save

    from featheredge.errors import WeightsError
    from featheredge.models import build
    from featheredge.training.checkpoint import read_progress

    seeds = _saved_networks(folder / "saved")
    (folder / "saved" / build.CONFIG_FILE).write_bytes(seeds[0][0])

    def check(data: bytes) -> None:
        (folder / "saved" / build.WEIGHTS_FILE).write_bytes(data)
        with contextlib.suppress(WeightsError):
            build.load(folder / "saved")
        read_progress(folder / "saved" / build.WEIGHTS_FILE)

    checkpoint = save({}, {"progress": '{"step": 3}'})
    return check, [checkpoint, *(weights for _, weights in seeds)]


def _saved_networks(folder: Path) -> list[tuple[bytes, bytes]]:
    """Configurations and weights of a toy network and of other classes of networks."""
    from featheredge.models import build
    from featheredge.models.network import Purpose
    from toys import toy_network

    saved = []
    for network in (toy_network(), build.create_model("csnet-x1")):
        build.save(network, folder, Purpose("edges", None))
        files = (build.CONFIG_FILE, build.WEIGHTS_FILE)
        config, weights = ((folder / file).read_bytes() for file in files)
        saved.append((config, weights))
    return saved


def mat(folder: Path) -> tuple[Check, list[bytes]]:
    import numpy as np
    from scipy.io import savemat

    from featheredge.metrics.map_files import read_annotations, read_prediction
    from toys import write_annotations

    path = folder / "x.mat"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(EvaluationError):
            read_annotations(path)
        read_prediction(path)

    from featheredge.errors import EvaluationError

    seeds = []
    write_annotations(path, [np.eye(6, dtype=bool)] * 2)
    seeds.append(path.read_bytes())
    for options in ({}, {"do_compression": True}, {"format": "4"}):
        savemat(path, {"map": np.eye(5)}, **options)
        seeds.append(path.read_bytes())
    return check, seeds


def npy(folder: Path) -> tuple[Check, list[bytes]]:
    import numpy as np

    from featheredge.metrics.map_files import read_prediction

    path = folder / "x.npy"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        read_prediction(path)

    seeds = []
    for values in (np.eye(5), np.eye(3, dtype=np.uint8)):
        file = io.BytesIO()
        np.save(file, values)
        seeds.append(file.getvalue())
    return check, seeds


def onnx(folder: Path) -> tuple[Check, list[bytes]]:
    from conftest import write_network
    from featheredge.onnx_file import check_onnx

    return lambda data: check_onnx(data, "x"), [write_network(folder / "x.onnx").read_bytes()]


def metadata(folder: Path) -> tuple[Check, list[bytes]]:
    from conftest import METADATA, SALIENCY
    from featheredge.providers import Opened
    from featheredge.weights_file import check_metadata

    ports = [("image", "tensor(uint8)"), ("map", "tensor(float)")]
    network: Any = None
    return (
        lambda data: check_metadata(Opened(network, data.decode("utf-8", "replace"), ports), "x"),
        [METADATA.encode(), SALIENCY.encode()],
    )


def report(folder: Path) -> tuple[Check, list[bytes]]:
    from featheredge.report.collect import collect, read_score
    from run_folders import edge_score, saliency_score

    step = folder / "run" / "cut"
    step.mkdir(parents=True)
    (step / "network.onnx").touch()

    def check(data: bytes) -> None:
        (step / "score.json").write_bytes(data)
        (step.parent / "report.json").write_bytes(data)
        collect([folder / "run"])
        read_score(step / "score.json")

    steps = {"steps": [{"name": "cut"}]}
    return check, [json.dumps(v).encode() for v in (edge_score(0.7), saliency_score(0.8), steps)]


def manifest(folder: Path) -> tuple[Check, list[bytes]]:
    from featheredge.cluster.manifest import Manifest, Row

    def check(data: bytes) -> None:
        (folder / "manifest.parquet").write_bytes(data)
        Manifest(folder)

    rows = [
        Row("/a.jpg", "/a.png", "ok", ms=1.5, sha256="0" * 64),
        Row("/b.jpg", "", "failed", "no"),
    ]
    seeds = []
    for chosen in ([], rows):
        with Manifest(folder) as written:
            for row in chosen:
                written.add(row)
        seeds.append(written.path.read_bytes())
    return check, seeds


def http(folder: Path) -> tuple[Check, list[bytes]]:
    from conftest import SALIENCY, write_network
    from featheredge.errors import ImageError
    from featheredge.server.app import create_app
    from featheredge.server.settings import Settings
    from serving import post

    models = (
        write_network(folder / "toy.onnx"),
        write_network(folder / "bright.onnx", SALIENCY),
    )
    app = create_app(Settings(workers=1, queue=4, max_mb=1, max_megapixels=0.5, models=models))
    form = "multipart/form-data; boundary=edge"

    def check(data: bytes) -> None:
        verb = ("edges", "saliency", "cutout")[len(data) % 3]
        answer = post(app, f"/v1/{verb}", data, content_type=form if data[:2] == b"--" else "")
        if answer.status_code >= 500:
            raise RuntimeError(f"the server answers {answer.status_code}")
        if answer.status_code != 200:
            raise ImageError(answer.text)

    pictures = image(folder)[1]
    head = b'--edge\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    return check, [*pictures, *(b"%b%b\r\n--edge--\r\n" % (head, data) for data in pictures[:2])]


# --- strategies: how Hypothesis makes inputs from valid files ---


def changed(seeds: list[bytes]) -> Any:
    """Noise, and valid files with bytes replaced, cut out, repeated or cut off."""
    from hypothesis import strategies as st

    edit = st.tuples(st.integers(0, 30_000), st.integers(0, 40), st.binary(max_size=8))

    def apply(seed: bytes, edits: list[tuple[int, int, bytes]], end: int | None) -> bytes:
        data = seed
        for position, drop, insert in edits:
            start = position % (len(data) + 1)
            data = data[:start] + insert + data[start + drop :]
        return data if end is None else data[: end % (len(data) + 1)]

    copies = st.builds(
        apply,
        st.sampled_from(seeds),
        st.lists(edit, max_size=6),
        st.none() | st.integers(0, 30_000),
    )
    return st.one_of(copies, copies, st.binary(max_size=400))


def structured(seeds: list[bytes]) -> Any:
    """Changed files, and valid JSON files with values replaced by others of any kind."""
    from hypothesis import strategies as st

    numbers = st.sampled_from([0, -1, 2, 1e9, 10**9, 2**31, 2**63, 10**30, 1e300]) | st.integers()
    leaves = st.none() | st.booleans() | numbers | st.floats() | st.text(max_size=20)
    values = st.recursive(
        leaves, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=8), v)
    )
    deep = st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b"[[1]," * 1000, b"9" * 5000])

    def replace(seed: bytes, changes: list[tuple[int, Any]]) -> bytes:
        parsed = json.loads(seed)
        for number, value in changes:
            places = list(_places(parsed))
            if places:
                holder, key = places[number % len(places)]
                holder[key] = value
        return json.dumps(parsed).encode()

    change = st.tuples(st.integers(0, 1000), values)
    replaced = st.builds(replace, st.sampled_from(seeds), st.lists(change, min_size=1, max_size=3))
    return st.one_of(replaced, replaced, changed(seeds), deep)


def toml(seeds: list[bytes]) -> Any:
    """Changed files, and valid TOML files with the values of some lines replaced."""
    from hypothesis import strategies as st

    values = st.sampled_from(
        [
            *("1e999", "-1", "0", "nan", "inf", "'x'", "[]", "{}", "true", "9" * 30, "1_0"),
            *("[[1]]", "[" * 3000, "{a=" * 2000, '"\\u0000"', "1979-05-27", "1\n" + "a." * 9000),
        ]
    )

    def replace(seed: bytes, changes: list[tuple[int, str]]) -> bytes:
        lines = seed.decode().split("\n")
        for number, value in changes:
            place = number % len(lines)
            lines[place] = f"{lines[place].partition('=')[0]}= {value}"
        return "\n".join(lines).encode()

    change = st.tuples(st.integers(0, 1000), values)
    replaced = st.builds(replace, st.sampled_from(seeds), st.lists(change, min_size=1, max_size=3))
    return st.one_of(replaced, changed(seeds))


def _places(value: Any) -> Any:
    """Yield every holder and key in a parsed JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


TARGETS: dict[str, tuple[Callable[[Path], tuple[Check, list[bytes]]], Callable[[list[bytes]], Any]]]
TARGETS = {
    "image": (image, changed),
    "recipe": (recipe, toml),
    "config": (config, structured),
    "safetensors": (safetensors, changed),
    "mat": (mat, changed),
    "npy": (npy, changed),
    "onnx": (onnx, changed),
    "metadata": (metadata, structured),
    "report": (report, structured),
    "manifest": (manifest, changed),
    "http": (http, changed),
}


if __name__ == "__main__":
    sys.exit(main())
