"""What scaling by the middle of the values costs on tables as they are.

Every set of ODDS, of further ADBench sets, and of tables for classification and regression, at most
6,000 rows of each, by default settings (the learners with a rate of 0.05). "before" are rows of
commit 129a689, which scaled by minimum and maximum or mean and deviation of all values, "after"
those of the commit that is named. Detectors: ROC AUC of the training rows. Learners: accuracy and
R² on 30 % of the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks._results import Cell, Grid
from skrobust import (
    BackdoorRobustClassifier,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustRealNVPDetector,
)
from skrobust.datasets import get_data_home

VALUES = ["score"]
MOST_ROWS = 6_000
_ANOMALIES = {
    "odds": "annthyroid arrhythmia breastw cardio glass ionosphere letter mammography mnist musk "
    "optdigits pendigits pima satellite satimage-2 shuttle thyroid vowels",
    "adbench": "ALOI Cardiotocography PageBlocks SpamBase WBC Wilt celeba fault http magic.gamma "
    "skin yeast",
}
_CLASSES = {"tables": "german phoneme vehicle"}
_TARGETS = {
    "tables": "Computers Hedonic diamonds",
    "regression": "concrete energy kin8nm naval power_plant protein",
}
_METHODS: dict[str, tuple[Any, dict[str, str]]] = {
    "RCADetector": (RCADetector, _ANOMALIES),
    "RobustRealNVPDetector": (RobustRealNVPDetector, _ANOMALIES),
    "PRLClassifier": (PRLClassifier, _CLASSES),
    "BackdoorRobustClassifier": (BackdoorRobustClassifier, _CLASSES),
    "PRLRegressor": (PRLRegressor, _TARGETS),
}


def _sets(folders: dict[str, str]) -> list[str]:
    return [f"{folder}/{name}" for folder, names in folders.items() for name in names.split()]


cells = Grid(
    [*_sets(_ANOMALIES), *_sets(_CLASSES), *_sets(_TARGETS)],
    ["after"],
    _METHODS,
    keep=lambda cell: cell.set in _sets(_METHODS[cell.method][1]),
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Score one estimator on one set."""
    with np.load(get_data_home() / f"{cell.set}.npz") as content:
        X, y = content["X"].astype(float), content["y"]
    if len(X) > MOST_ROWS:
        rows = np.random.RandomState(cell.seed).permutation(len(X))[:MOST_ROWS]
        X, y = X[rows], y[rows]
    kind, folders = _METHODS[cell.method]
    settings: dict[str, Any] = {"random_state": cell.seed, "device": device}
    if folders is _ANOMALIES:
        scores = kind(**settings).fit(X).decision_scores_
        return {"score": round(float(roc_auc_score(y, scores)), 5)}
    complete = np.isfinite(X).all(axis=1)
    y = y[complete].astype(float) if folders is _TARGETS else y[complete]
    y = y[:, 0] if y.ndim > 1 else y
    parts = train_test_split(X[complete], y, test_size=0.3, random_state=cell.seed)
    X_train, X_test, y_train, y_test = parts
    model = kind(corruption_rate=0.05, **settings).fit(X_train, y_train)
    return {"score": round(float(model.score(X_test, y_test)), 5)}


def render(frame: pd.DataFrame) -> str:
    """Table of means before and after, over sets and seeds that both have."""
    if frame.empty:
        return "nothing measured yet"
    frame = frame.assign(folder=frame["set"].str.partition("/")[0])
    keys = ["folder", "method", "set", "seed"]
    pairs = frame.pivot_table(index=keys, columns="setting", values="score").dropna()
    if set(pairs.columns) < {"before", "after"}:
        return pairs.groupby(["folder", "method"]).mean().round(4).to_string()
    pairs["change"] = pairs["after"] - pairs["before"]
    means = pairs.groupby(["folder", "method"])[["before", "after", "change"]].mean()
    means["pairs"] = pairs.groupby(["folder", "method"]).size()
    worst = pairs.nsmallest(5, "change")["change"].round(4)
    return f"{means.round(4).to_string()}\n\nlargest losses\n\n{worst.to_string()}"
