"""ONNX Runtime sessions, set up the same way everywhere: no log output, a fixed thread count."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

CPU = "CPUExecutionProvider"

_FATAL, _ERROR = 4, 3


def onnx_session(
    model: str | Path | bytes,
    threads: int = 1,
    *,
    provider: str = CPU,
    options: "SessionOptions | None" = None,
) -> "InferenceSession":
    """Load an ONNX model.

    Args:
        model: The path of an .onnx file, or its bytes.
        threads: Threads for inference.
        provider: The only execution provider to use, by its ONNX Runtime name.
        options: Options from `session_options`, possibly changed; `threads` is then ignored.

    Raises:
        Exception: ONNX Runtime cannot load the model. Its exceptions have no common base class.
    """
    import onnxruntime

    options = options or session_options(threads)
    # Errors are raised, so no log is needed, except for the reason why a provider does not start.
    options.log_severity_level = _FATAL if provider == CPU else _ERROR
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=[provider],
        enable_fallback=0,  # the fallback prints a banner and computes on the CPU
    )


def session_options(threads: int = 1) -> "SessionOptions":
    """Return session options whose idle threads do not use the CPU.

    Spinning is off: spinning threads slow down other programs on a shared machine. Denormals are
    not flushed to zero: that setting would permanently change the calling thread's arithmetic.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options
