"""How many passes the scoring ensemble of RCA needs: where more stop changing the ranking.

One detector is trained per set and seed, and its networks make 2,000 passes. The first 1,000 give
the reference ranking of the held-out rows; groups of the others are compared with it (Spearman
correlation, AUC), five groups of each size where there are as many. "chosen" are the passes that
RCADetector takes of 256, by their errors on 256 training rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler

from benchmarks._results import Cell, Grid
from benchmarks._seeding import contained_seeding
from benchmarks.thesis._odds import split
from skrobust import RCADetector
from skrobust.datasets import fetch_odds
from skrobust.detectors._ensemble import choose_passes, draw_rows, pass_errors
from skrobust.selection import squared_error

SETS = ["vowels", "pima", "ionosphere", "breastw", "cardio", "letter", "glass", "arrhythmia"]
SIZES = (5, 10, 20, 50, 100, 200, 500)
REFERENCE = 1000
MOST_GROUPS = 5
CHOSEN, DRAWN = (4, 8, 16), 256
ENSEMBLES = [*map(str, SIZES), *(f"chosen_{n}" for n in CHOSEN)]
VALUES = ["auc_reference", *(f"{what}_{n}" for n in ENSEMBLES for what in ("spearman", "auc_sd"))]


cells = Grid(SETS, ["rate true"], ["RCA"])


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Compare rankings of one detector's ensembles."""
    X, y = fetch_odds(cell.set, return_X_y=True)
    train, test = split(len(X), cell.seed)
    scaler = MinMaxScaler().fit(X[train])  # what the detector does; it finds nothing left to scale
    settings: Any = {"n_passes": 0, "random_state": cell.seed, "device": device}
    detector = RCADetector(contamination=float(np.mean(y)), **settings)
    detector.fit(scaler.transform(X[train]))
    module: Any = detector.net_.module_
    known, rows = (
        torch.from_numpy(scaler.transform(part).astype(np.float32)).to(device)
        for part in (X[train], X[test])
    )
    with contained_seeding(cell.seed):
        passes: Any = module.draw_passes(2 * REFERENCE)
        of_known = pass_errors(module, passes[REFERENCE:], draw_rows(known, 256), squared_error)
    errors = pass_errors(module, passes, rows, squared_error).double()
    reference, later = errors[:REFERENCE].mean(dim=(0, 1)), errors[REFERENCE:]
    values = {"auc_reference": roc_auc_score(y[test], reference.cpu())}
    ensembles = {str(n): _groups(REFERENCE, n) for n in SIZES}
    ensembles |= {f"chosen_{n}": _groups(REFERENCE, DRAWN) for n in CHOSEN}
    for name, groups in ensembles.items():
        scores = []
        for group in groups:
            found = later[group]
            if name.startswith("chosen"):
                places = choose_passes(of_known[group], int(name.removeprefix("chosen_")))
                found = found[places, torch.arange(module.n_networks)]
            scores.append(found.mean(dim=(0, 1)).cpu())
        ranks = [spearmanr(one, reference.cpu())[0] for one in scores]
        values[f"spearman_{name}"] = np.mean(ranks)
        values[f"auc_sd_{name}"] = np.std([roc_auc_score(y[test], one) for one in scores])
    return {name: round(float(value), 5) for name, value in values.items()}


def _groups(n_passes: int, size: int) -> list[slice]:
    starts = range(0, n_passes - size + 1, size)[:MOST_GROUPS]
    return [slice(start, start + size) for start in starts]


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
        names = [name.replace("_", " ") for name in ENSEMBLES]
        table = means[[f"{what}_{n}" for n in ENSEMBLES]].set_axis(names, axis=1)
        parts.append(f"{title}, by number of passes\n\n{table.round(4).to_string()}")
    return "\n\n".join(parts)
