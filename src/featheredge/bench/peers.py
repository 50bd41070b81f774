"""Open other programs for a benchmark: ONNX files, OpenCV's Canny detector and rembg.

Shapes: `H W` pixels.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from featheredge.bench.networks import ONNX_RUNTIME
from featheredge.bench.subject import Cost, Form, Picture, Subject
from featheredge.errors import ArgumentError
from featheredge.extras import is_installed

CANNY, REMBG = "opencv-canny", "rembg"


def open_onnx(spec: str, threads: int) -> Subject:
    """Open any ONNX network, onnx:FILE with a declaration FILE.toml beside it.

    The network alone is timed, on a picture that is resized and normalised before. A file without
    `input_px` in its declaration sees the picture at its own size.
    """
    import torch

    from featheredge.models.onnx_network import read_onnx_network
    from featheredge.onnx_runtime import onnx_session

    file = Path(spec.partition(":")[2])
    config = read_onnx_network(file).config
    session = onnx_session(file, threads)
    port = session.get_inputs()[0].name

    def prepare(picture: Picture) -> Mapping[str, Form]:
        pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
        if config.input_px:
            size = (config.input_px, config.input_px)
            pixels = torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        if config.by_maximum:
            pixels = pixels / pixels.amax()
        mean, std = (pixels.new_tensor(v)[:, None, None] for v in (config.mean, config.std))
        values = ((pixels - mean) / std).numpy()
        return {ONNX_RUNTIME: lambda: session.run(None, {port: values})}

    return Subject(
        name=spec,
        prepare=prepare,
        cost=lambda height, width: _foreign_cost(file),
        fresh=("onnx", str(file), str(threads), str(config.input_px)),
    )


def _foreign_cost(file: Path) -> Cost:
    """Count the parameters of any ONNX file; its layers are not counted."""
    import onnx

    tensors = onnx.load(file, load_external_data=False).graph.initializer
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    params = sum(math.prod(tensor.dims) for tensor in tensors if tensor.data_type in floats)
    return Cost(num_params=params, file_bytes=file.stat().st_size)


def open_canny(threads: int) -> Subject:
    """Open OpenCV's Canny detector at the thresholds 100 and 200, on grey levels."""
    _require("cv2", CANNY, "opencv-python-headless")
    import cv2

    cv2.setNumThreads(threads)

    def prepare(picture: Picture) -> Mapping[str, Form]:
        return {"OpenCV": lambda: cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 100, 200)}

    def file_to_file(photo: bytes) -> bytes:
        grey = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert grey is not None
        return bytes(cv2.imencode(".png", cv2.Canny(grey, 100, 200))[1])

    return Subject(CANNY, prepare, end_to_end=file_to_file, fresh=(CANNY, str(threads)))


def open_rembg(threads: int) -> Subject:
    """Open rembg's own function with its network u2netp, from JPEG to a cut-out as PNG.

    rembg reads the number of threads from OMP_NUM_THREADS when a session is made. It looks for
    u2netp.onnx in the folder U2NET_HOME, or downloads it.
    """
    _require("rembg", REMBG, "rembg[cpu]")
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        import rembg

        session = rembg.new_session("u2netp", providers=["CPUExecutionProvider"])
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    return Subject(
        REMBG,
        prepare=lambda picture: {},
        end_to_end=lambda photo: rembg.remove(photo, session=session),
        fresh=(REMBG, str(threads)),
    )


def _require(module: str, peer: str, package: str) -> None:
    if not is_installed(module):
        raise ArgumentError(
            f"{peer} is not installed; type: pip install '{package}', or leave {peer} out"
        )
