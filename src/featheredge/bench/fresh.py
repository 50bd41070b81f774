"""Run one subject once, in this fresh process, and print the process's peak memory in bytes.

    python -m featheredge.bench.fresh PHOTO KIND ARGUMENT ...

Only the modules that the work needs are imported, so that the peak is that of a real use. KIND and
its arguments are those of `featheredge.bench.subject.Subject.fresh`.
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path


def _session(photo: Path, model: str, threads: str) -> None:
    from featheredge.png import encode_map, encode_png
    from featheredge.session import Session

    session = Session(model, threads=int(threads))
    if session.task == "edges":
        encode_map(session(photo))
        return
    from featheredge.compose import cutout
    from featheredge.errors import NoObjectError

    try:
        encode_png(cutout(photo, model=session))  # type: ignore[arg-type]
    except NoObjectError:  # random weights
        encode_map(session(photo))


def _onnx(photo: Path, model: str, threads: str, side: str) -> None:
    import numpy as np
    from PIL import Image

    from featheredge.onnx_runtime import onnx_session

    picture = Image.open(photo).convert("RGB")
    if int(side):
        picture = picture.resize((int(side), int(side)))
    values = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
    session = onnx_session(model, int(threads))
    session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(values)})


def _canny(photo: Path, threads: str) -> None:
    from featheredge.bench.peers import open_canny

    run = open_canny(int(threads)).end_to_end
    assert run is not None
    run(photo.read_bytes())


def _rembg(photo: Path, threads: str) -> None:
    from featheredge.bench.peers import open_rembg

    run = open_rembg(int(threads)).end_to_end
    assert run is not None
    run(photo.read_bytes())


_KINDS: dict[str, Callable[..., None]] = {
    "session": _session,
    "onnx": _onnx,
    "opencv-canny": _canny,
    "rembg": _rembg,
}


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far.

    Linux hands `ru_maxrss` of the parent down to a child, so its own counter is read instead.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else 1024 * usage


def main() -> None:
    """Run the kind that the command line names, and print the peak."""
    photo, kind, *arguments = sys.argv[1:]
    _KINDS[kind](Path(photo), *arguments)
    sys.stdout.write(f"{peak_bytes()}\n")


if __name__ == "__main__":
    main()
