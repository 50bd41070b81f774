"""The options of the verb `video` that do not change how a frame looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from featheredge.session import Session

Task: TypeAlias = Literal["edges", "saliency"]


@Parameter(name="*")
@dataclass(frozen=True)
class VideoRun:
    """Output, network and limits.

    Attributes:
        output: The .mp4, .mov, .mkv or .webm file to write. Default: NAME_LOOK.mp4 next to the
            input.
        model: A name from `featheredge models` or the path of an .onnx file. Default: the default
            model of the task.
        threads: Threads for inference; decoding and encoding have their own.
        provider: cpu, cuda, openvino, ... There is no fallback to another provider.
        every: Use only every n-th frame; it is then shown longer.
        size: Shrink frames whose longer side has more pixels. Smaller frames are much faster.
        seconds: Stop after this many seconds of video.
        sound: Keep the sound: copied if the output format takes its codec, else encoded again.
        raw: Read RGB24 frames of this size, such as 640x360, from standard input, and write frames
            to standard output: grey for a map, RGBA for a transparent cut-out, else RGB24.
        force: Replace an existing file.
        as_json: Print one JSON object instead of a line.
    """

    output: Annotated[Path | None, Parameter(alias="-o")] = None
    model: Annotated[str | None, Parameter(alias="-m")] = None
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1
    provider: str = "cpu"
    every: Annotated[int, Parameter(validator=Number(gte=1))] = 1
    size: Annotated[int | None, Parameter(validator=Number(gte=16))] = None
    seconds: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    sound: bool = True
    raw: str | None = None
    force: Annotated[bool, Parameter(alias="-f", negative="")] = False
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False


def open_session(task: Task, run: VideoRun) -> "Session":
    """Open the network that the options name."""
    from featheredge.session import Session

    return Session(run.model, task=task, threads=run.threads, provider=run.provider)
