"""Axes, colours and figures of all pictures; matplotlib is imported when something is drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skrobust._validation import check_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpecFromSubplotSpec

# Okabe and Ito's palette, in the order in which neighbours differ most; with these line styles
# lines can be told apart without colour, too.
NORMAL, ANOMALY, GREY = "#56B4E9", "#D55E00", "#555555"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")


class Display:
    """Base of the displays, which hold what is to be drawn; their ``_draw`` calls ``_axes``."""

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where; a picture of several parts takes its place.

        Returns
        -------
        self
            With ``ax_`` and ``figure_``, what it was drawn on.
        """
        self._draw(ax)
        return self

    def _draw(self, ax: Axes | None) -> None:
        raise NotImplementedError

    def _axes(self, ax: Axes | None, size: tuple[float, float] = (5.6, 3.6)) -> Axes:
        """Set ``ax_`` and ``figure_``."""
        if ax is None:
            from matplotlib import pyplot as plt

            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in inches; nothing global is touched, no display needed."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def to_png(figure: Figure) -> bytes:
    """Render a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def open_frame(ax: Axes) -> None:
    """Leave only the left and the lower side of the frame."""
    ax.spines[["top", "right"]].set_visible(False)


def int_ticks(ax: Axes) -> None:
    """Put the ticks of the horizontal axis at whole numbers: there is no half epoch."""
    from matplotlib.ticker import MaxNLocator

    steps = [1, 2, 5, 10]
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=steps, integer=True, min_n_ticks=1))


def add_line(ax: Axes, i: int, x: np.ndarray, y: np.ndarray, label: str) -> str:
    """Draw a picture's curve number ``i``, and return its colour."""
    colour, line = COLOURS[i % len(COLOURS)], LINES[i % len(LINES)]
    marker = "o" if len(x) == 1 else ""  # a line through a single point would not be seen
    ax.plot(x, y, color=colour, linestyle=line, marker=marker, label=label)
    return colour


def split(ax: Axes, n_rows: int, n_columns: int) -> np.ndarray:
    """Put a grid of axes in the place of one, as scikit-learn's partial dependence display does."""
    grid = grid_in_place_of(ax, n_rows, n_columns)
    parts = [ax.figure.add_subplot(grid[i, j]) for i in range(n_rows) for j in range(n_columns)]
    return np.array(parts, dtype=object).reshape(n_rows, n_columns)


def grid_in_place_of(ax: Axes, n_rows: int, n_columns: int) -> GridSpecFromSubplotSpec:
    """Hide axes and divide their place."""
    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError("ax must come from subplots, as a grid of axes takes its place")
    return place.subgridspec(n_rows, n_columns)


def draw_bars(
    ax: Axes, names: Sequence[str], values: np.ndarray, texts: Sequence[str], margin: float = 0.18
) -> None:
    """Draw horizontal bars, the first on top, with a text at the end of each."""
    places = range(len(names))[::-1]
    bars = ax.barh(places, values, color=COLOURS[0])
    ax.set_yticks(places, [plain_text(name) for name in names])
    ax.bar_label(bars, texts, padding=3)
    ax.margins(x=margin)
    open_frame(ax)


def plain_text(text: str, most: int = 28) -> str:
    """A text that matplotlib shows as it is, on one line, shortened."""
    shown = " ".join(text.split())
    shown = shown if len(shown) <= most else shown[: most - 1] + "…"
    return shown.replace("$", r"\$")


def plane(
    X: np.ndarray, resolution: int, margin: float
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Two axes of ``resolution`` points around rows of two features, and all points of the grid."""
    check_whole("grid_resolution", resolution, 2)
    low, high = X.min(axis=0), X.max(axis=0)
    reach = margin * (high - low)
    x, y = np.linspace(low - reach, high + reach, resolution).T
    return (x, y), np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
