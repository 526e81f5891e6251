"""Figures of reports: made by matplotlib, embedded as SVG."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BLUE", "INK", "QUIET", "RED", "as_svg", "empty_figure", "plain_names"]

INK, QUIET, BLUE, RED = "#1d2733", "#94a3b8", "#2563eb", "#dc2626"


def plain_names(names: tuple[str, ...]) -> list[str]:
    """Names in which no dollar begins a formula."""
    return [name.replace("$", r"\$") for name in names]


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def as_svg(figure: Figure) -> str:
    """The figure as an element of a page: text as text, nothing that refers to another place, every name escaped."""
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "multiview"}):
        figure.savefig(file, format="svg", dpi=120, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawn = file.getvalue()
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", drawn[drawn.index("<svg") :])
