"""Processor time from the bytes of a JPEG to the bytes of a PNG, by stage, for every verb.

    python benchmarks/bench_path.py [--against TREE] [--rounds N] [--sizes WxH...] [--verbs ...]

The code of each verb of the command line is run on one thread, on examples/cat.jpg in every size.
TREE is a folder with another version of featheredge: both versions run in processes of their own
and take turns. Peak memory is that of a fresh process that does nothing else.
"""

import argparse
import inspect
import io
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from trees import WORKER, Tree, serve, trees

PICTURE = Path(__file__).parent.parent / "examples" / "cat.jpg"
SIZES = ("481x321", "1000x1000", "4000x3000")
VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    "edges": ("edges", {}),
    "edges --as thin": ("edges", {"look": "thin"}),
    "saliency": ("saliency", {}),
    "saliency --as mask": ("saliency", {"look": "mask"}),
    "cutout": ("cutout", {}),
}
#: Options of older versions for the same look.
OLD_OPTIONS = {"thin": {"thin": True}, "mask": {"refine": True}}
#: Stage -> functions that belong to it, as module and name. A version may lack some of them.
STAGES = {
    "decode": ("session.load", "compose.load", "image.load"),
    "network": ("session.Session._infer",),
    "input and map": ("session.Session.__call__",),
    "thin": ("nms.suppress", "looks.edges.suppress"),
    "unsure pixels": ("compose.settle",),
    "select": ("compose.select_subject",),
    "refine": ("compose.small_copy", "compose.refine", "compose._refined_alpha"),
    "colours": ("compose.foreground",),
    "encode": ("png.encode_map", "png.encode_png", "png.encode_pixels"),
}


class Stopwatch:
    """Measures the processor time of each stage, without that of the stages that it calls."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what runs inside the `with` block."""
        started = time.thread_time()
        self._inner.append(0.0)
        yield
        elapsed = 1e3 * (time.thread_time() - started)
        self.ms[name] = self.ms.get(name, 0) + elapsed - self._inner.pop()
        self._inner[-1] += elapsed


WATCH = Stopwatch()


def watch_stages() -> None:
    """Wrap the functions of all stages."""
    import importlib.util

    for stage, paths in STAGES.items():
        for path in paths:
            module, *owners, name = path.split(".")
            if importlib.util.find_spec(f"featheredge.{module}") is None:
                continue
            owner: Any = importlib.import_module(f"featheredge.{module}")
            for part in owners:
                owner = getattr(owner, part)
            if hasattr(owner, name):
                setattr(owner, name, watched(getattr(owner, name), stage))


def watched(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        with WATCH.stage(stage):
            return function(*args, **options)

    return call


def encoder(verb: str, options: dict[str, Any]) -> Callable[..., bytes]:
    """Return the function with which a verb of the command line makes a PNG of an image."""
    from featheredge import png
    from featheredge.cli import predict

    found: list[Callable[..., Any]] = []
    vars(predict)["process"] = lambda *arguments, **_: found.append(arguments[4])
    if options and "look" not in inspect.signature(getattr(predict, verb)).parameters:
        options = OLD_OPTIONS[options["look"]]
    getattr(predict, verb)([], **options)

    def encode(session: Any, picture: bytes) -> bytes:
        drawn = found[0](session, picture)
        return drawn if isinstance(drawn, bytes) else png.encode_png(drawn.image)

    return encode


SESSIONS: dict[str, Any] = {}


def answer(verb: str, size: str) -> dict[str, Any]:
    """Run a verb once: the times of all stages in milliseconds, and the process's peak memory."""
    from featheredge.session import Session

    if not SESSIONS:
        SESSIONS.update(edges=Session(task="edges"), saliency=Session(task="saliency"))
        watch_stages()
    name, options = VERBS[verb]
    encode = encoder(name, options)
    session = SESSIONS["edges" if name == "edges" else "saliency"]
    picture = jpeg(size)
    WATCH.ms.clear()
    with WATCH.stage("other"):
        png = encode(session, picture)
    stages = dict(WATCH.ms)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"ms": {**stages, "total": sum(stages.values())}, "bytes": len(png), "peak_mb": peak_mb}


JPEGS: dict[str, bytes] = {}


def jpeg(size: str) -> bytes:
    if size not in JPEGS:
        width, height = map(int, size.split("x"))
        file = io.BytesIO()
        with Image.open(PICTURE) as image:
            image.resize((width, height), Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
        JPEGS[size] = file.getvalue()
    return JPEGS[size]


def measure(processes: dict[str, Tree], verb: str, size: str, rounds: int) -> dict[str, Any]:
    """Time a verb in all trees, one after another in every round, after one round to warm up."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
    for _ in range(rounds + 1):
        for name, process in processes.items():
            runs[name].append(process.ask(verb, size))
    return {
        name: {
            "min_ms": summary(results[1:], min),
            "median_ms": summary(results[1:], statistics.median),
            "png_bytes": results[0]["bytes"],
        }
        for name, results in runs.items()
    }


def summary(results: list[dict[str, Any]], of: Callable[[list[float]], float]) -> dict[str, float]:
    return {stage: round(of([r["ms"][stage] for r in results]), 2) for stage in results[0]["ms"]}


def peak_memory(verb: str, size: str, against: Path | None) -> dict[str, int]:
    peaks = {}
    for name, process in trees(__file__, against).items():
        peaks[name] = process.ask(verb, size)["peak_mb"]
        process.close()
    return peaks


def main() -> None:
    from interleaved import write_result  # not in the workers: an older version cannot import it

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="a tree with another version")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--verbs", nargs="+", default=[*VERBS], choices=[*VERBS])
    options = parser.parse_args()
    processes = trees(__file__, options.against)
    result = {}
    for verb in options.verbs:
        for size in options.sizes:
            case = measure(processes, verb, size, options.rounds)
            for name, peak in peak_memory(verb, size, options.against).items():
                case[name]["peak_mb"] = peak
            result[f"{verb}, {size}"] = case
            print(f"{verb}, {size}:", *(f"{k} {v['min_ms']}" for k, v in case.items()), flush=True)
    write_result("path", {"rounds": options.rounds, "cases": result})


if __name__ == "__main__":
    if WORKER in sys.argv:
        serve(answer)
    else:
        main()
