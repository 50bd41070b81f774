"""Frames per second of `featheredge video`, with its three threads and with one.

A clip of a panned photo, 640x360 with H.264, is converted to edges, to a saliency overlay and to a
cut-out. "one thread" decodes, infers, and draws and encodes one frame after the other; x264 has its
own threads in both cases. Wall time, interleaved.

    python benchmarks/bench_video.py [--frames N] [--rounds N]
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av

from featheredge import load_image
from featheredge.catalog import Task
from featheredge.resize import resize
from featheredge.session import Session
from featheredge.video import convert as module
from featheredge.video.reader import open_file
from featheredge.video.rendering import Render, renderer
from interleaved import time_cases, write_result

PHOTO = Path(__file__).parents[1] / "examples/coffee.jpg"
HEIGHT, WIDTH, PAN_PX = 360, 640, 2

LOOKS: dict[str, tuple[Task, Render]] = {
    "edges": ("edges", renderer("edges")),
    "saliency overlay": ("saliency", renderer("saliency", "overlay")),
    "cut-out on green": ("saliency", renderer("saliency", "cutout", background=(0, 255, 0))),
}


def write_clip(path: Path, frames: int) -> None:
    wide = resize(load_image(PHOTO), HEIGHT, WIDTH + PAN_PX * frames)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(frames):
            pixels = wide[:, PAN_PX * index : PAN_PX * index + WIDTH].copy()
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        output.mux(stream.encode(None))


@contextmanager
def in_line(items: Iterable[Any]) -> Iterator[Iterator[Any]]:
    yield iter(items)


def one_thread() -> Any:
    """Replace the threads by plain calls."""
    return patch.multiple(module, read_ahead=in_line, write_behind=nullcontext)


def run(clip: Path, session: Session, render: Render, threads: Callable[[], Any]) -> None:
    with threads(), open_file(clip) as reader:
        module.convert(reader, clip.with_name("out.mp4"), session, render)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip, arguments.frames)
        cases = {}
        for name, (task, render) in LOOKS.items():
            session = Session(task=task)
            cases[f"{name}, three threads"] = partial(run, clip, session, render, nullcontext)
            cases[f"{name}, one thread"] = partial(run, clip, session, render, one_thread)
        times = time_cases(cases, arguments.rounds)
    for timed in times.values():
        timed["frames_per_s"] = round(1e3 * arguments.frames / timed["min_ms"], 2)
    write_result("video", {"frames": arguments.frames, "cases": times})


if __name__ == "__main__":
    main()
