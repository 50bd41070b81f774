"""Figures by matplotlib, loaded when one is made; files are written whole or not at all."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from featheredge.errors import EvaluationError
from featheredge.extras import require
from featheredge.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width_in: float, height_in: float) -> "Figure":
    """Return an empty figure of a size in inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("eval", "a plot", "matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure whole or not at all.

    Raises:
        EvaluationError: The suffix is none of .png, .svg and .pdf.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise EvaluationError(f"{path}: plots are written as .png, .svg or .pdf")
    drawing = io.BytesIO()
    figure.savefig(drawing, format=kind, dpi=150)
    write_bytes(path, drawing.getvalue())
