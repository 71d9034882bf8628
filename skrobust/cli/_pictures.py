"""Pictures of the report on a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skrobust._report import ANOMALY, GREY, NORMAL, WHITE, new_figure, open_frame, to_png

__all__ = ["draw_columns", "draw_scores", "draw_targets"]

_BLUE = "#0072B2"


def draw_scores(scores: np.ndarray, threshold: float, y: np.ndarray | None) -> bytes:
    """Draw the distribution of the scores, by label where there is one, and the threshold.

    Parameters
    ----------
    scores : array of shape (n,)
        Anomaly scores.
    threshold : float
        Scores above it are reported.
    y : array of shape (n,), int, or None
        1 for rows labelled abnormal.
    """
    figure = new_figure(6.4, 3.4)
    axis = figure.subplots()
    edges = list(_log_edges(scores))
    groups = [(scores, NORMAL, "all rows")]
    if y is not None:
        groups = [
            (scores[y == 0], NORMAL, "labelled normal"),
            (scores[y == 1], ANOMALY, "labelled abnormal"),
        ]
    for values, color, label in groups:
        axis.hist(values, edges, color=color, alpha=0.75, label=label)
    axis.axvline(threshold, color=GREY, linestyle="--", label="threshold")
    axis.set(xscale="log", yscale="log", xlabel="anomaly score (log scale)")
    axis.set_ylabel("rows (log scale)")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:,g}")
    _thin_ticks(axis)
    axis.legend(loc="upper right", **WHITE)
    open_frame(axis)
    return to_png(figure)


def draw_columns(names: Sequence[str], shares: np.ndarray, n_shown: int = 12) -> bytes:
    """Draw the columns that make the reported rows abnormal, largest mean share on top.

    Parameters
    ----------
    names : sequence of str
        Columns.
    shares : array of shape (n_columns,)
        Mean share of each.
    n_shown : int, default=12
        At most this many bars.
    """
    top = np.argsort(-shares, kind="stable")[:n_shown][::-1]
    figure = new_figure(6.4, 0.8 + 0.28 * len(top))
    axis = figure.subplots()
    labels = [_plain(names[i]) for i in top]
    bars = axis.barh(range(len(top)), 100 * shares[top], color=_BLUE)
    axis.set_yticks(range(len(top)), labels)
    axis.bar_label(bars, fmt="{:.0f} %", padding=3)
    axis.set(xlabel="mean share of a reported row's excess error, %")
    axis.margins(x=0.12)
    open_frame(axis)
    return to_png(figure)


def draw_targets(
    given: np.ndarray, predicted: np.ndarray, suspect: np.ndarray, name: str, n_drawn: int = 5_000
) -> bytes:
    """Draw given against predicted targets, the suspect ones on top.

    Parameters
    ----------
    given, predicted : array of shape (n,)
        Targets.
    suspect : array of shape (n,), bool
        Which are marked.
    name : str
        Of the target.
    n_drawn : int, default=5000
        At most this many of each group, evenly over the rows.
    """
    figure = new_figure(6.4, 4.4)
    axis = figure.subplots()
    for rows, color, label in (
        (~suspect, NORMAL, "not marked"),
        (suspect, ANOMALY, "suspect"),
    ):
        places = np.flatnonzero(rows)
        drawn = places[np.linspace(0, len(places) - 1, min(len(places), n_drawn)).astype(int)]
        if len(drawn):
            axis.scatter(predicted[drawn], given[drawn], 9, color, alpha=0.6, label=label, lw=0)
    ends = [predicted.min(), predicted.max()]
    axis.plot(ends, ends, color=GREY, linestyle="--", label="given = predicted")
    axis.set(xlabel=f"predicted {_plain(name)}, out of fold", ylabel=f"given {_plain(name)}")
    axis.legend(**WHITE)
    open_frame(axis)
    return to_png(figure)


def _log_edges(values: np.ndarray, n_bins: int = 50) -> np.ndarray:
    positive = values[values > 0]
    low = np.log10(max(positive.min(), 1e-12)) if len(positive) else -6.0
    high = np.log10(max(values.max(), 1e-12))
    return np.logspace(low - 0.02, high + 0.02, n_bins + 1)


def _thin_ticks(axis) -> None:
    """At most some labelled ticks, at round numbers, where scores span less than two decades."""
    from matplotlib.ticker import LogLocator, NullLocator

    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.xaxis.set_minor_locator(NullLocator())


def _plain(name: str, most: int = 28) -> str:
    """A name that matplotlib shows as it is, shortened."""
    shown = name if len(name) <= most else name[: most - 1] + "…"
    return shown.replace("$", r"\$")
