"""Axes and colours that all displays share; matplotlib is imported when something is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skrobust._report import ANOMALY, GREY, NORMAL, open_frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "ANOMALY",
    "COLOURS",
    "GREY",
    "LINES",
    "NORMAL",
    "Display",
    "bad_rows",
    "check_has",
    "named",
    "open_frame",
    "plane",
    "split",
]

# Okabe and Ito's palette, in the order in which neighbours differ most; with these line styles
# lines can be told apart without colour, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")


class Display:
    """Base of the displays: sets ``ax_`` and ``figure_``.

    Subclasses keep what is to be drawn in ``__init__`` and draw it in ``plot``.
    """

    ax_: Any
    figure_: Any

    def _axes(self, ax: Axes | None, size: tuple[float, float] = (5.6, 3.6)) -> Axes:
        if ax is None:
            from matplotlib import pyplot as plt

            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        return ax


def check_has(estimator, attribute: str) -> None:
    """Raise NotFittedError before ``fit``, and TypeError if an estimator lacks something."""
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(f"{type(estimator).__name__} has no {attribute}, which is drawn here")


def bad_rows(name: str, marks) -> np.ndarray:
    """Check marks of bad rows, bool or 0 and 1, and return them as bool."""
    marks = column_or_1d(marks)
    if not np.isin(marks, (0, 1)).all():
        wrong = next(mark for mark in marks.tolist() if mark not in (0, 1))
        raise ValueError(f"{name} must be 1 for bad rows and 0 for the others, got {wrong!r}")
    return marks.astype(bool)


def named(estimator, points: np.ndarray) -> np.ndarray | pd.DataFrame:
    """Give points the names of the features that an estimator was fitted with, if there are any."""
    names = getattr(estimator, "feature_names_in_", None)
    return points if names is None else pd.DataFrame(points, columns=names)


def split(ax: Axes, n_rows: int, n_columns: int) -> np.ndarray:
    """Put a grid of axes in the place of one, as scikit-learn's partial dependence display does."""
    from matplotlib.gridspec import GridSpecFromSubplotSpec

    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError("ax must come from subplots, as a grid of axes takes its place")
    grid = GridSpecFromSubplotSpec(n_rows, n_columns, subplot_spec=place)
    parts = [ax.figure.add_subplot(grid[i, j]) for i in range(n_rows) for j in range(n_columns)]
    return np.array(parts, dtype=object).reshape(n_rows, n_columns)


def plane(X: np.ndarray, resolution: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Axes (2, resolution) around rows of two features, and all points of the grid."""
    if resolution < 2:
        raise ValueError(f"grid_resolution must be at least 2, got {resolution}")
    low, high = X.min(axis=0), X.max(axis=0)
    reach = margin * (high - low)
    axes = np.linspace(low - reach, high + reach, resolution).T
    return axes, np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
