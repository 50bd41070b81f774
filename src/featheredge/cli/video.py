"""The verb `video`, which runs a network on every frame of a video, a camera or a pipe."""

import difflib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from featheredge.cli.progress import frame_counter
from featheredge.cli.video_options import Task, VideoRun, open_session
from featheredge.cli.video_pipe import check_pipe, convert_pipe
from featheredge.errors import OutputError
from featheredge.extras import require

if TYPE_CHECKING:
    from featheredge.video.convert import Converted
    from featheredge.video.reader import VideoReader
    from featheredge.video.rendering import Render

Look: TypeAlias = Literal[
    "map", "binary", "thin", "overlay", "sketch", "lineart",
    "mask", "cutout", "blur", "trimap", "outline", "side-by-side",
]  # fmt: skip


_DEFAULTS = VideoRun()


def _refuse_option(_: type, text: str) -> None:
    """Raise an error for a misspelt option: the input can start with "-", so it gets here."""
    if text.startswith("-") and text != "-":
        arguments = App(default_command=video).assemble_argument_collection()
        options = [name for argument in arguments for name in argument.names]
        near = difflib.get_close_matches(text.partition("=")[0], options, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"For a file of this name, type ./{text}"
        raise CycloptsError(msg=f"Unknown option: {text}. {hint}")


def video(
    source: Annotated[str, Parameter(allow_leading_hyphen=True, validator=_refuse_option)],
    /,
    *,
    task: Task | None = None,
    look: Annotated[Look, Parameter(name="--as")] = "map",
    threshold: Annotated[float | None, Parameter(validator=Number(gt=0, lte=1))] = None,
    background: str | None = None,
    smooth: Annotated[float, Parameter(validator=Number(gte=0, lt=1))] = 0.0,
    run: VideoRun = _DEFAULTS,
) -> int:
    """Find edges or salient objects in every frame of a video. Sound and frame times are kept.

    Ctrl-C ends early; the output then has the frames up to there.

    Args:
        source: A video file, the number of a camera (0), or - with --raw.
        task: What to find. Default: saliency for mask, cutout, blur, trimap and outline, else
            edges.
        look: What to draw, as in the verbs edges and saliency; or frame and map side-by-side.
        threshold: Map value from which a pixel counts as edge or object.
        background: Background of a cut-out: a colour (green, #00ff00), an image file, blur or
            transparent. Default: transparent in .mov (ProRes 4444) and .webm (VP9), else green.
        smooth: Reduce flicker: weight of the earlier maps where the picture stands still, from 0
            to below 1; 0.5 is a good value. Moving things keep their own maps.
        run: Output, network and limits.
    """
    from featheredge.video.rendering import looks_of, renderer

    task = task or ("edges" if look in looks_of("edges") else "saliency")
    output = None if run.raw or source == "-" else run.output or _default_output(source, task, look)
    if look == "cutout" and background is None:
        background = _default_background(output)
    behind = {"transparent": None, "green": (0, 255, 0)}.get(background or "", background)
    render = renderer(task, look, threshold=threshold, background=behind)
    if output is None:
        check_pipe(source, run)
        return convert_pipe(run, task, render, smooth, grey=look == "map")
    return _convert_file(
        source, output, run, task, render, smooth, alpha=background == "transparent"
    )


def _convert_file(
    source: str,
    output: Path,
    run: VideoRun,
    task: Task,
    render: "Render",
    smooth: float,
    alpha: bool,
) -> int:
    """Convert a video file or a camera to a file, and print the result."""
    require("video", "`video`")
    from featheredge.video.containers import encoding_for
    from featheredge.video.convert import Selection, convert
    from featheredge.video.smoothing import Smoother

    encoding_for(output, alpha)  # refuses early
    if output.exists() and not run.force:
        raise OutputError(f"{output} exists; give another name, or add -f to replace it")
    with _open(source) as reader, _stop_on_signals() as stop, frame_counter() as progress:
        converted = convert(
            reader,
            output,
            open_session(task, run),
            render,
            selection=Selection(run.every, run.size, run.seconds, run.sound),
            smoother=Smoother(smooth),
            stop=stop,
            progress=progress,
        )
    return _report(source, output, converted, run.as_json)


def _default_output(source: str, task: str, look: Look) -> Path:
    name = task if look == "map" else "cutout" if look == "cutout" else f"{task}-{look}"
    if source.isdecimal() and not Path(source).exists():
        return Path(f"camera{source}_{name}.mp4")
    return Path(source).with_name(f"{Path(source).stem}_{name}.mp4")


def _default_background(output: Path | None) -> str:
    """Return transparent where the output can be, else green."""
    from featheredge.video.containers import has_alpha

    return "transparent" if output is None or has_alpha(output) else "green"


def _open(source: str) -> "VideoReader":
    from featheredge.video.camera import open_camera
    from featheredge.video.reader import open_file

    if source.isdecimal() and not Path(source).exists():
        return open_camera(int(source))
    return open_file(Path(source))


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or a termination signal sets; a second Ctrl-C interrupts."""
    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    earlier = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, earlier, strict=True):
            signal.signal(number, handler)


def _report(source: str, output: Path, converted: "Converted", as_json: bool) -> int:
    """Print what was written; return the exit code."""
    rate = converted.num_frames / max(converted.wall_s, 1e-9)
    if as_json:
        facts = {"input": source, "output": str(output), **asdict(converted)}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        sound = f", sound {converted.sound}" if converted.sound else ""
        sys.stdout.write(
            f"{source} -> {output} ({converted.num_frames} frames, {rate:.1f} frames/s{sound})\n"
        )
    problems = list(_problems(source, output, converted))
    for problem in problems:
        sys.stderr.write(f"featheredge: {problem}\n")
    return 130 if converted.stopped else int(bool(problems))


def _problems(source: str, output: Path, converted: "Converted") -> Iterator[str]:
    last = f"{converted.video_s:.1f} s"
    if converted.stopped:
        yield f"stopped after {last} of video; {output} has the frames up to there"
    if converted.num_damaged:
        yield (
            f"{source}: {converted.num_damaged} damaged parts cannot be decoded; {output} has the "
            "rest"
        )
    if converted.missing_s:
        yield (
            f"{source}: ends after {last}, {converted.missing_s:.1f} s earlier than it declares: "
            f"the file is truncated; {output} has what is left"
        )
