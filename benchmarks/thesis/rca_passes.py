"""How many passes the scoring ensemble of RCA needs: where more stop changing the ranking.

One detector is trained per set and seed, and its networks make 2,000 passes. The first 1,000 give
the reference ranking of the held-out rows; groups of the others are compared with it (Spearman
correlation, AUC), five groups of each size where there are as many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler
from torch import Tensor

from benchmarks._results import Cell, Grid
from benchmarks._seeding import contained_seeding
from benchmarks.thesis._detectors import CHAPTER
from benchmarks.thesis._odds import split
from skrobust import RCADetector
from skrobust.datasets import fetch_odds
from skrobust.selection import squared_error

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
    scaler = MinMaxScaler().fit(X[train])  # what the detector does; it finds nothing left to scale
    settings: Any = {**CHAPTER, "n_passes": 0, "random_state": cell.seed, "device": device}
    detector = RCADetector(contamination=float(np.mean(y)), **settings)
    detector.fit(scaler.transform(X[train]))
    rows = torch.from_numpy(scaler.transform(X[test]).astype(np.float32))
    with contained_seeding(cell.seed):
        errors = _errors_of_passes(detector.net_.module_, rows.to(device), 2 * REFERENCE)

    def scores(start, stop):
        return errors[start:stop].mean(axis=0)

    reference = scores(0, REFERENCE)
    values = {"auc_reference": roc_auc_score(y[test], reference)}
    for n in SIZES:
        starts = range(REFERENCE, 2 * REFERENCE - n + 1, n)[:MOST_GROUPS]
        groups = [scores(start, start + n) for start in starts]
        values[f"spearman_{n}"] = np.mean([spearmanr(g, reference)[0] for g in groups])
        values[f"auc_sd_{n}"] = np.std([roc_auc_score(y[test], g) for g in groups])
    return {name: round(float(value), 5) for name, value in values.items()}


@torch.no_grad()
def _errors_of_passes(module, rows: Tensor, n_passes: int) -> np.ndarray:
    """Reconstruction errors (n_passes, n_rows), sums over the networks."""
    outputs = (
        module.run_sub_networks(module.sub_networks(units), rows)
        for units in module.draw_passes(n_passes)
    )
    errors = [squared_error(output, rows).sum(dim=0) for output in outputs]
    return torch.stack(errors).double().cpu().numpy()


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
