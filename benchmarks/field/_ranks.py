"""Ranks of methods over data sets, and the picture of which ranks differ (Demšar, 2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import studentized_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["alike", "critical_difference", "draw_ranks", "mean_ranks"]

LEVEL = 0.05
BAR, STEP = 0.35, 0.7  # heights of a bar's and of a label's row


def mean_ranks(quality: pd.DataFrame) -> pd.Series:
    """Mean rank of each method over the sets.

    Parameters
    ----------
    quality : DataFrame of shape (n_sets * n_seeds, n_methods)
        Indexed by set and seed; higher is better, nan where a method failed.

    Returns
    -------
    Series of shape (n_methods,)
        1 is best; ties share the mean of their ranks, and those that failed are tied for the last.
    """
    ranks = quality.rank(axis=1, ascending=False, na_option="bottom")
    return ranks.groupby("set").mean().mean()


def critical_difference(n_methods: int, n_sets: int) -> float:
    """Smallest difference of two mean ranks that Nemenyi's test finds at the level of 0.05.

    References
    ----------
    Demšar, J. (2006). Statistical comparisons of classifiers over multiple data sets. JMLR 7.
    """
    q = studentized_range.ppf(1 - LEVEL, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def alike(ranks: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """Longest runs of two and more ranks less than the difference apart: first and last of each.

    Parameters
    ----------
    ranks : array of shape (n_methods,)
        In ascending order.
    difference : float
        The critical one.
    """
    last = np.searchsorted(ranks, ranks + difference) - 1
    runs = zip(range(len(ranks)), last.tolist(), [-1, *last[:-1].tolist()], strict=True)
    return [(i, end) for i, end, before in runs if end > i and end > before]


def draw_ranks(ranks: pd.Series, n_sets: int, title: str) -> Figure:
    """Draw mean ranks on an axis; bars join methods that the test does not tell apart.

    Parameters
    ----------
    ranks : Series of shape (n_methods,)
        Mean rank by method.
    n_sets : int
        Number of sets that they are means over.
    title : str
        Title of the picture.
    """
    from matplotlib.figure import Figure

    ranks = ranks.sort_values()
    difference = critical_difference(len(ranks), n_sets)
    bars = alike(ranks.to_numpy(), difference)
    low, high = np.floor(ranks.min()), np.ceil(ranks.max())
    n_left, depth = (len(ranks) + 1) // 2, BAR * (len(bars) + 1)
    height = depth + STEP * n_left
    figure = Figure(figsize=(9, 1.2 + 0.36 * (height + 1)), layout="constrained")
    ax = figure.add_subplot()
    ax.set(xlim=(low, high), ylim=(height, -1.2), title=f"{title}: mean rank", yticks=[])
    ax.xaxis.tick_top()
    ax.spines[["left", "right", "bottom"]].set_visible(False)
    ax.spines["top"].set_position(("data", 0))
    for i, (first, last) in enumerate(bars):
        ends = [ranks.iloc[first] - 0.05, ranks.iloc[last] + 0.05]
        ax.plot(ends, [BAR * (i + 1)] * 2, color="black", linewidth=3, solid_capstyle="butt")
    for i, (name, rank) in enumerate(ranks.items()):
        on_left = i < n_left
        row = i if on_left else len(ranks) - 1 - i
        _label(ax, f"{name} {rank:.2f}", rank, depth + STEP * (row + 0.5), on_left)
    ax.plot([low, low + difference], [-1, -1], color="black", marker="|")
    ax.text(low + difference, -1, f"  critical difference {difference:.2f}", va="center")
    return figure


def _label(ax: Axes, text: str, rank: float, y: float, on_left: bool) -> None:
    """A line from a rank on the axis down to a row, and out to the name beside the picture."""
    x = 0.0 if on_left else 1.0
    edge = ax.get_xlim()[int(x)]
    ax.plot([rank, rank, edge], [0, y, y], color="#555555", linewidth=0.8, clip_on=False)
    ax.annotate(
        text,
        (edge, y),
        (-4 if on_left else 4, 0),
        textcoords="offset points",
        ha="right" if on_left else "left",
        va="center",
        annotation_clip=False,
    )
