"""Figure 2.2: autoencoders on two moons with uniform anomalies, trained on all rows or as RCA does.

10,000 points, of which 10 to 40 % are anomalies; the settings are those of Table 2.1. ``found_n``
is the share of true anomalies among the rows of highest error in epoch n, as many rows as there
are anomalies; ``precision`` is the same for the final scores. ``--picture`` trains seed 0 and draws
the figure.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback

from benchmarks._results import Cell, Grid
from benchmarks.thesis._detectors import CHAPTER, OURS
from skrobust import RCADetector
from skrobust.datasets import make_contaminated_moons
from skrobust.plotting import TrainingCurveDisplay

N_POINTS = 10_000
N_EPOCHS = 200
EPOCHS = (1, 25, 50, 100, 150, 200)
VALUES = ["auc", "precision", *(f"found_{epoch}" for epoch in EPOCHS)]
SET = "two moons"
SETTINGS = {f"rate {rate}": rate for rate in (0.1, 0.2, 0.3, 0.4)}
METHODS = ["RCA", "AE"]
SHOWN = ["rate 0.1", "rate 0.4"]
NORMAL, ANOMALY = "#56B4E9", "#D55E00"  # Okabe-Ito: the colour-blind can tell them apart


class _Found(Callback):
    """Record per epoch which share of the rows of highest score carries a mark, as ``found``."""

    def __init__(self, marks) -> None:
        self.marks = marks

    def on_epoch_end(self, net, **kwargs):
        scores = net.state_.record.scores.mean(dim=0).cpu().numpy()
        net.history.record("found", _precision(self.marks, scores))


def _precision(y: np.ndarray, scores: np.ndarray) -> float:
    top = np.argsort(-scores, kind="stable")[: int(y.sum())]
    return float(y[top].mean())


cells = Grid([SET], SETTINGS, METHODS, more_methods=["RCA margin 1"])


def train(setting: str, method: str, seed: int, device: str = "cpu"):
    """Draw the points and fit one detector; returns it with points and labels."""
    rate = SETTINGS[setting]
    n_normal = round(N_POINTS * (1 - rate))
    X, y = make_contaminated_moons(
        n_normal, contamination=(N_POINTS - n_normal) / n_normal, random_state=seed
    )
    settings = {**CHAPTER, **OURS[method], "max_epochs": N_EPOCHS}
    detector = RCADetector(
        rate, callbacks=[_Found(y)], random_state=seed, device=device, **settings
    )
    return detector.fit(X), X, y


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train on the contaminated points and see which of them are found."""
    detector, _, y = train(cell.setting, cell.method, cell.seed, device)
    found = detector.history_[:, "found"]
    values = {
        "auc": roc_auc_score(y, detector.decision_scores_),
        "precision": _precision(y, detector.decision_scores_),
        **{f"found_{epoch}": found[epoch - 1] for epoch in EPOCHS},
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def render(frame: pd.DataFrame) -> str:
    """Means over seeds by rate and method."""
    if frame.empty:
        return "nothing measured yet"
    table = frame.groupby(["setting", "method"])[VALUES].mean().round(3)
    return f"Training points, mean over {frame['seed'].nunique()} seeds\n\n{table.to_string()}"


def draw(device: str = "cpu"):
    """Train seed 0 and draw the points that are found, and how many by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(len(SHOWN), len(METHODS) + 1, squeeze=False)
    for row, setting in zip(axes, SHOWN, strict=True):
        curves = {}
        for ax, method in zip(row, METHODS, strict=False):
            detector, X, y = train(setting, method, 0, device)
            curves[method] = [detector.history_[:, "found"]]
            for label, colour in enumerate((NORMAL, ANOMALY)):
                points = X[detector.labels_ == label]
                ax.scatter(*points.T, s=1, color=colour, linewidths=0, rasterized=True)
            auc = roc_auc_score(y, detector.decision_scores_)
            ax.set_title(f"{method}, {setting}: AUC {auc:.3f}", fontsize=10)
            ax.set_aspect("equal")
        TrainingCurveDisplay.from_predictions(curves, ylabel="anomalies found", ax=row[-1])
    return figure
