"""The one way in which this package sets up ONNX Runtime: quiet, with the threads asked for."""

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
        threads: Threads that compute one run.
        provider: The only execution provider that may compute, as ONNX Runtime calls it.
        options: What `session_options` returned, changed further; `threads` is then not used.

    Raises:
        Exception: What ONNX Runtime raises for a model that it cannot load; its exceptions share
            no base class.
    """
    import onnxruntime

    options = options or session_options(threads)
    # Errors are raised; only why a provider does not start is nowhere else than in the log.
    options.log_severity_level = _FATAL if provider == CPU else _ERROR
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=[provider],
        enable_fallback=0,  # would print a banner and compute on the CPU instead
    )


def session_options(threads: int = 1) -> "SessionOptions":
    """Return options for sessions that leave the CPU to others while they wait.

    Idle threads that spin steal it from everyone else on a shared machine. Denormals are left to
    the CPU: flushing them changes the arithmetic of the calling thread for good.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options
