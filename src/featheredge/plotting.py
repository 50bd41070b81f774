"""matplotlib figures: matplotlib is imported on first use, and files are written atomically."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from featheredge.errors import EvaluationError
from featheredge.extras import require
from featheredge.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Return an empty figure; its width and height are in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("eval", "a plot", "matplotlib")
    from matplotlib.figure import Figure

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
