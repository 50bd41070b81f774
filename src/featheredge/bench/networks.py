"""Open our networks and those of the zoo for a benchmark.

A network of the zoo is timed in ONNX Runtime and in PyTorch, with both memory formats, and its
fastest form counts. Its weights are random unless a file is given: they do not change the time.

Shapes: `H W` pixels.
"""

import copy
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from featheredge.bench.subject import Cost, Form, Picture, Subject
from featheredge.bench.traffic import convolution_traffic
from featheredge.compose import cutout
from featheredge.png import encode_map, encode_png
from featheredge.report import cost
from featheredge.resize import resize
from featheredge.session import Session

if TYPE_CHECKING:
    from featheredge.catalog import Task
    from featheredge.models.network import Network

ONNX_RUNTIME, EAGER, CHANNELS_LAST = "ONNX Runtime", "PyTorch", "PyTorch, channels last"

#: Side of tiles that no picture exceeds: networks are compared on whole pictures.
_WHOLE = 1 << 16

#: Zoo networks of this class are for saliency, with the size that they were published for.
_SALIENCY_PX = {"CSNet": 224, "CSF": 320, "Feather": 320}


def open_model(name: str, file: Path, threads: int) -> Subject:
    """Open a shipped network or an exported file."""
    session = Session(file, threads=threads)
    return Subject(
        name=name,
        prepare=lambda picture: {ONNX_RUNTIME: _session_form(session, picture)},
        cost=lambda height, width: file_cost(file, session, height, width),
        end_to_end=_file_to_file(session),
        fresh=("session", str(file), str(threads)),
    )


def open_zoo(spec: str, folder: Path, threads: int) -> Subject:
    """Export a network of the zoo and open it in ONNX Runtime and in PyTorch.

    Args:
        spec: NAME for random weights, or NAME:FILE.safetensors.
        folder: Where to put the exported file.
        threads: Threads of both runtimes.
    """
    from featheredge.models.build import create_model, load_trained

    trained = ":" in spec
    network = load_trained(spec) if trained else create_model(spec).eval()
    return open_network(spec, network, folder, threads, trained=trained)


def open_network(
    name: str, network: "Network", folder: Path, threads: int, *, trained: bool
) -> Subject:
    """Export a network and open it in ONNX Runtime and in PyTorch.

    Args:
        name: Its name in the results.
        network: The network.
        folder: Where to put the exported file.
        threads: Threads of both runtimes.
        trained: Whether its weights are trained; if not, only the network alone is timed.
    """
    import torch

    from featheredge.deploy.export import export_network

    torch.set_num_threads(threads)
    task, input_px = _purpose(network)
    file = exported_file(folder, name)
    export_network(network, file, name=file.stem, task=task, input_px=input_px, storage="fp32")
    session = Session(file, threads=threads, tile_px=_WHOLE)

    def prepare(picture: Picture) -> Mapping[str, Form]:
        own = picture if input_px is None else resize(picture, input_px, input_px)
        return {ONNX_RUNTIME: _session_form(session, picture), **_torch_forms(network, own)}

    return Subject(
        name=name,
        prepare=prepare,
        cost=lambda height, width: file_cost(file, session, height, width),
        end_to_end=_file_to_file(session) if trained else None,
        fresh=("session", str(file), str(threads)),
    )


def exported_file(folder: Path, name: str) -> Path:
    """Return where `open_network` puts the file of a network."""
    return folder / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())[:60]}.onnx"


def file_cost(file: Path, session: Session, height: int, width: int) -> Cost:
    """Count the cost of a weights file for a picture, or for its fixed square."""
    if session.input_px is not None:
        height = width = session.input_px
    counted = cost.count(file, height, width, session.stride)
    graph = cost.graph_for_one_size(file, height, width, session.stride).graph
    return Cost(
        counted.num_params,
        counted.multiply_adds,
        convolution_traffic(graph),
        file.stat().st_size,
    )


def _purpose(network: "Network") -> "tuple[Task, int | None]":
    input_px = _SALIENCY_PX.get(type(network).__name__)
    return ("edges" if input_px is None else "saliency"), input_px


def _session_form(session: Session, picture: Picture) -> Form:
    """Return a function that runs a session on a picture of the size that the network sees."""
    side = session.input_px
    own = picture if side is None else resize(picture, side, side)
    return lambda: session(own)


def _torch_forms(network: "Network", picture: Picture) -> dict[str, Form]:
    import torch

    plain = network.deployable().eval()
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
    inputs = network.normalise(pixels).contiguous()
    last = inputs.contiguous(memory_format=torch.channels_last)

    def form(module: torch.nn.Module, inputs: torch.Tensor) -> Form:
        def run() -> object:
            with torch.inference_mode():
                return module(inputs).final.sigmoid()

        return run

    # Memory formats are properties of the weights, so each form has its own copy.
    reordered = copy.deepcopy(plain).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return {EAGER: form(plain, inputs), CHANNELS_LAST: form(reordered, last)}


def _file_to_file(session: Session) -> Callable[[bytes], bytes]:
    """Return a function from JPEG to PNG: an edge map, or a cut-out for a saliency network."""
    if session.task == "edges":
        return lambda photo: encode_map(session(photo))
    return lambda photo: encode_png(cutout(photo, model=session))  # type: ignore[arg-type]
