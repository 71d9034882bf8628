"""How many passes the scoring ensemble of RCA needs: where more stop changing the ranking.

One detector is trained per set and seed with 2,000 passes. The first 1,000 give the reference
ranking of the held-out rows; groups of the others are compared with it (Spearman correlation, AUC),
five groups of each size where there are as many.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from skrobust import RCADetector
from skrobust.benchmarks._odds import split
from skrobust.benchmarks._results import Cell, Grid
from skrobust.datasets import fetch_odds

SETS = ["vowels", "pima", "ionosphere", "breastw", "cardio", "letter", "glass", "arrhythmia"]
SIZES = (5, 10, 20, 50, 100, 200, 500)
REFERENCE = 1000
MOST_GROUPS = 5
VALUES = ["auc_reference", *(f"{what}_{n}" for n in SIZES for what in ("spearman", "auc_sd"))]


cells = Grid(SETS, ["rate true"], ["RCA"])


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Compare rankings of one detector's ensembles."""
    X, y = fetch_odds(cell.set, return_X_y=True)
    train, test = split(len(X), cell.seed)
    settings = {"n_passes": 2 * REFERENCE, "random_state": cell.seed, "device": device}
    detector = RCADetector(contamination=float(np.mean(y)), **settings).fit(X[train])
    passes = detector._passes

    def scores(start, stop):
        detector._passes = passes[start:stop]
        return detector.decision_function(X[test])

    reference = scores(0, REFERENCE)
    values = {"auc_reference": roc_auc_score(y[test], reference)}
    for n in SIZES:
        starts = range(REFERENCE, 2 * REFERENCE - n + 1, n)[:MOST_GROUPS]
        groups = [scores(start, start + n) for start in starts]
        values[f"spearman_{n}"] = np.mean([spearmanr(g, reference)[0] for g in groups])
        values[f"auc_sd_{n}"] = np.std([roc_auc_score(y[test], g) for g in groups])
    return {name: round(float(value), 5) for name, value in values.items()}


def render(frame: pd.DataFrame) -> str:
    """Table of mean Spearman correlation with the reference, and spread of the AUC."""
    if frame.empty:
        return "nothing measured yet"
    means = frame.groupby("set")[VALUES].mean().reindex([s for s in SETS if s in set(frame["set"])])
    parts = []
    for what, title in (
        ("spearman", f"Spearman correlation with the ranking of {REFERENCE} other passes"),
        ("auc_sd", "Standard deviation of the AUC over groups of passes"),
    ):
        table = means[[f"{what}_{n}" for n in SIZES]].set_axis(SIZES, axis=1)
        parts.append(f"{title}, by number of passes\n\n{table.round(4).to_string()}")
    return "\n\n".join(parts)
