"""Pictures of the anomalies, as PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skrobust._report import ANOMALY, GREY, NORMAL, WHITE, new_figure, open_frame, to_png
from skrobust.demo._section import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_gallery", "draw_histograms", "draw_kept_share"]

_LINE: dict[str, Any] = {"color": "#0072B2", "linewidth": 2.4}


def draw_histograms(runs: Sequence[Run]) -> bytes:
    """Draw the held-out scores by true label, RCA's below its plain autoencoder's.

    Parameters
    ----------
    runs : sequence of Run
        Of the plain autoencoder and of RCA, on one problem under one seed.
    """
    figure = new_figure(4.6, 4.4)
    relative = [run.details.scores / np.median(run.details.scores) for run in runs]
    edges = _log_edges(np.concatenate(relative))
    axes = figure.subplots(2, 1, sharex=True)
    for axis, run, scores in zip(axes, runs, relative, strict=True):
        _histogram(axis, scores, run.details.sample.y_test == 1, edges)
        axis.set_title(f"{run.case.method}: AUC {run.values['auc']:.3f}", loc="left", fontsize=10)
    axes[0].legend(**WHITE)
    axes[1].set_xlabel("anomaly score / median score (log scale)")
    return to_png(figure)


def draw_kept_share(runs: Sequence[Run]) -> bytes:
    """Draw the share of anomalies among the training rows that RCA keeps, over the epochs.

    Parameters
    ----------
    runs : sequence of Run
        RCA's runs on one problem: a thin line each, and their mean.
    """
    figure = new_figure(4.6, 3.4)
    axis = figure.subplots()
    curves = 100 * np.array([_smooth(run.details.kept_share) for run in runs])
    epochs = np.arange(1, curves.shape[1] + 1)
    axis.plot(epochs, curves.T, color=_LINE["color"], linewidth=0.7, alpha=0.45)
    axis.plot(epochs, curves.mean(axis=0), label="kept by RCA, mean", **_LINE)
    train_share = 100 * runs[0].details.sample.y_train.mean()  # the same for every seed
    axis.axhline(train_share, color=ANOMALY, linestyle="--", label="all training rows")
    axis.axvline(
        runs[0].details.warmup_end, ymax=0.75, color=GREY, linestyle=":", label="end of warm-up"
    )
    axis.set(xlim=(0, len(epochs)), ylim=(0, 1.45 * max(train_share, curves.max())))
    axis.set_xlabel("epoch")
    axis.set_ylabel("anomalies, % of rows")
    axis.legend(loc="upper right", ncols=2, **WHITE)
    open_frame(axis)
    return to_png(figure)


def draw_gallery(runs: Sequence[Run], n_shown: int = 8) -> bytes:
    """Show the held-out pictures that each autoencoder finds most abnormal.

    Parameters
    ----------
    runs : sequence of Run
        Of the plain autoencoder and of RCA, on one problem with pictures under one seed.
    n_shown : int, default=8
        Pictures per method.
    """
    figure = new_figure(6.4, 2.9)
    parts: Any = figure.subfigures(2, 1)
    for part, run in zip(parts, runs, strict=True):
        top = np.argsort(-run.details.scores, kind="stable")[:n_shown]
        n_found = int(run.details.sample.y_test[top].sum())
        title = f"{run.case.method}: {n_found} of its first {n_shown} are anomalies"
        part.suptitle(title, x=0.01, ha="left", fontsize=10)
        axes: Any = part.subplots(1, n_shown)
        for axis, row in zip(axes, top, strict=True):
            _thumbnail(axis, run, row)
    return to_png(figure)


def _log_edges(values: np.ndarray, n_bins: int = 30) -> np.ndarray:
    low, high = np.log10(max(values.min(), 1e-6)), np.log10(values.max())
    return np.logspace(low - 0.02, high + 0.02, n_bins + 1)


def _histogram(axis: Axes, scores: np.ndarray, abnormal: np.ndarray, edges: np.ndarray) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axis.hist(
        [scores[~abnormal], scores[abnormal]],
        bins=list(edges),
        stacked=True,
        color=[NORMAL, ANOMALY],
        label=["normal", "anomaly"],
    )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_ylabel("held-out rows")
    open_frame(axis)


def _smooth(values: np.ndarray, width: int = 5) -> np.ndarray:
    """Running mean; rows per epoch are few, so single epochs jitter."""
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def _thumbnail(axis: Axes, run: Run, row: int) -> None:
    abnormal = run.details.sample.y_test[row] == 1
    axis.imshow(
        run.details.sample.X_test[row].reshape(run.details.problem.image_shape), cmap="gray_r"
    )
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(f"{run.details.sample.names_test[row]}\n{'anomaly' if abnormal else 'normal'}")
    for spine in axis.spines.values():
        spine.set(color=ANOMALY if abnormal else NORMAL, linewidth=3)
