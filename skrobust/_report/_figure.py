"""Pictures as PNG bytes.

Drawn on :class:`matplotlib.figure.Figure` objects: nothing global is touched and no display is
needed. Colours are from the Okabe-Ito palette, which colour-blind readers can tell apart.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ANOMALY", "GREY", "NORMAL", "WHITE", "new_figure", "open_frame", "to_png"]

NORMAL, ANOMALY, GREY = "#56B4E9", "#D55E00", "#555555"
WHITE: dict[str, Any] = {"framealpha": 1.0, "edgecolor": "none"}


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def open_frame(axis: Axes) -> None:
    """Leave only the left and the lower side of the frame."""
    axis.spines[["top", "right"]].set_visible(False)


def to_png(figure: Figure) -> bytes:
    """Render a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
