"""Pictures of the reports on tables, as PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from skrobust.plotting import ScoreDistributionDisplay
from skrobust.plotting._style import (
    ANOMALY,
    GREY,
    NORMAL,
    draw_bars,
    new_figure,
    open_frame,
    plain_text,
    to_png,
)

_LEGEND = {"good": "labelled normal", "bad": "labelled abnormal", "rows": "all rows"}


def draw_scores(scores: np.ndarray, threshold: float, y: np.ndarray | None) -> bytes:
    """Draw the distribution of scores (n,), by label where ``y`` has 1 for abnormal rows."""
    figure = new_figure(6.4, 3.4)
    display = partial(ScoreDistributionDisplay.from_predictions, threshold=threshold)
    ax = display(y, scores, ax=figure.subplots(), log_scale=min(scores.min(), threshold) > 0).ax_
    ax.set(xlabel=f"anomaly score ({ax.get_xscale()} scale)", ylabel="rows (log scale)")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:,g}")
    for text in ax.get_legend().get_texts():
        text.set_text(_LEGEND.get(text.get_text(), text.get_text()))
    return to_png(figure)


def draw_columns(names: Sequence[str], shares: np.ndarray, n_shown: int = 12) -> bytes:
    """Draw mean shares (n_columns,) of the columns as bars, at most ``n_shown``, largest on top."""
    top = np.argsort(-shares, kind="stable")[:n_shown]
    figure = new_figure(6.4, 0.8 + 0.28 * len(top))
    axis = figure.subplots()
    shares = 100 * shares[top]
    draw_bars(axis, [names[i] for i in top], shares, [f"{share:.0f} %" for share in shares], 0.12)
    axis.set(xlabel="mean share of a reported row's excess error, %")
    return to_png(figure)


def draw_targets(
    given: np.ndarray, predicted: np.ndarray, suspect: np.ndarray, name: str, n_drawn: int = 5_000
) -> bytes:
    """Draw given against predicted targets (n,), the ``suspect`` ones on top.

    At most ``n_drawn`` of either group are drawn, evenly over the rows.
    """
    figure = new_figure(6.4, 4.4)
    axis = figure.subplots()
    for rows, color, label in ((~suspect, NORMAL, "not marked"), (suspect, ANOMALY, "suspect")):
        places = np.flatnonzero(rows)
        drawn = places[np.linspace(0, len(places) - 1, min(len(places), n_drawn)).astype(int)]
        if len(drawn):
            axis.scatter(predicted[drawn], given[drawn], 9, color, alpha=0.6, label=label, lw=0)
    ends = [predicted.min(), predicted.max()]
    axis.plot(ends, ends, color=GREY, linestyle="--", label="given = predicted")
    axis.set(
        xlabel=f"predicted {plain_text(name)}, out of fold", ylabel=f"given {plain_text(name)}"
    )
    axis.legend(framealpha=1.0, edgecolor="none")
    open_frame(axis)
    return to_png(figure)
