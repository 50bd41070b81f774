"""matplotlib figures: matplotlib is imported on first use, and files are written atomically."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from featheredge.errors import EvaluationError, ProviderError
from featheredge.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Return an empty figure; its width and height are in inches.

    Raises:
        ProviderError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ProviderError(
            f"plots need matplotlib ({error}); install it: pip install featheredge[eval]"
        ) from error
    return Figure(figsize=(width_in, height_in), layout="constrained")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure to a file.

    Raises:
        EvaluationError: The suffix is not .png, .svg or .pdf.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise EvaluationError(
            f"{path}: unknown plot format {path.suffix!r}; end the name in .png, .svg or .pdf"
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150)
    write_bytes(path, buffer.getvalue())
