"""Does the audit of labels and targets find planted errors? Compared with cleanlab's scores.

Every method ranks the same out-of-fold predictions of the same models: what differs is the score
alone. Labels get one of the other classes ("symmetric") or the next one ("pairflip"); targets are
exchanged among the changed rows ("swapped").
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_random_state

from benchmarks._results import Cell, Grid
from benchmarks.thesis._labels import PERCEPTRON
from skrobust import LabelAudit, PRLClassifier, PRLRegressor, audit_labels
from skrobust.corruption import corrupt_labels
from skrobust.datasets import fetch_regression

VALUES = ["auroc", "found", "planted_of_20", "n_rows"]
LABELS: dict[str, Any] = {
    "digits": load_digits,
    "breast_cancer": load_breast_cancer,
    "wine": load_wine,
}
TARGETS = ("concrete", "energy", "power_plant")
SETS = [*LABELS, *TARGETS]
RATES = (0.1, 0.3)
LABEL_SETTINGS = [f"{kind} {rate}" for kind in ("symmetric", "pairflip") for rate in RATES]
TARGET_SETTINGS = [f"swapped {rate}" for rate in RATES]
MOST_ROWS = 2_000
N_SHOWN = 20

OURS = "audit"
ISSUES = "cleanlab issues"
# Methods of cleanlab.rank and cleanlab.regression.rank, the default of each first.
LABEL_METHODS = {
    "cleanlab self-confidence": "self_confidence",
    "cleanlab margin": "normalized_margin",
    "cleanlab entropy": "confidence_weighted_entropy",
}
TARGET_METHODS = {"cleanlab outre": "outre", "cleanlab residual": "residual"}
METHODS = [OURS, *LABEL_METHODS, ISSUES, *TARGET_METHODS]


def _fits_the_task(cell: Cell) -> bool:
    """Whether setting and method are for sets like this; with two classes the next is any other."""
    targets = cell.set in TARGETS
    if (cell.setting in TARGET_SETTINGS) != targets:
        return False
    if cell.method != OURS and (cell.method in TARGET_METHODS) != targets:
        return False
    return cell.set != "breast_cancer" or not cell.setting.startswith("pairflip")


# Methods last: they share predictions
cells = Grid(SETS, [*LABEL_SETTINGS, *TARGET_SETTINGS], METHODS, keep=_fits_the_task)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Rank the rows of one table with planted errors."""
    given, mask, audit = _predict(cell.set, cell.setting, cell.seed, device)
    scores = audit.scores if cell.method == OURS else _cleanlab(cell.method, given, audit)
    order = np.argsort(-scores, kind="stable")
    return {
        "auroc": round(float(roc_auc_score(mask, scores)), 5),
        "found": round(float(mask[order[: mask.sum()]].mean()), 5),
        "planted_of_20": int(mask[order[:N_SHOWN]].sum()),
        "n_rows": len(mask),
    }


def render(frame: pd.DataFrame) -> str:
    """Tables of mean AUROC and of planted rows among the first 20, for labels and for targets."""
    if frame.empty:
        return "nothing measured yet"
    parts = []
    for title, part in (
        ("labels", frame[frame["set"].isin(list(LABELS))]),
        ("targets", frame[frame["set"].isin(TARGETS)]),
    ):
        for value, what in (
            ("auroc", "AUROC of the ranking, wrong {}"),
            ("found", "Share of the first that are wrong, as many as are planted, wrong {}"),
            ("planted_of_20", "Planted rows among the first 20, wrong {}"),
        ):
            if len(part):
                parts.append(f"{what.format(title)}\n\n{_table(part, value)}")
    return "\n\n".join(parts)


@lru_cache(maxsize=1)
def _predict(
    name: str, setting: str, seed: int, device: str
) -> tuple[np.ndarray, np.ndarray, LabelAudit]:
    """Given labels or targets, which of them are wrong, and the audit."""
    kind, rate = setting.split()
    X, y = _load(name, seed)
    settings: Any = {"corruption_rate": float(rate), "min_steps": 500, "random_state": seed}
    if name in TARGETS:
        given, mask = _swap(y, float(rate), seed)
        model: Any = PRLRegressor(**settings, device=device)
    else:
        given, mask = corrupt_labels(y, float(rate), kind=kind, random_state=seed)
        model = PRLClassifier(**settings, **PERCEPTRON, device=device)
    return given, mask, audit_labels(model, X, given, random_state=seed)


def _load(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if name in LABELS:
        return LABELS[name](return_X_y=True)
    X, y = fetch_regression(name, return_X_y=True)
    rows = check_random_state(seed).permutation(len(X))[:MOST_ROWS]
    return X[rows], y[rows].ravel()


def _swap(y: np.ndarray, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Exchange the targets of a share of the rows; those that stay the same are not wrong."""
    rows = check_random_state(seed).permutation(len(y))[: int(rate * len(y))]
    given = y.copy()
    given[rows] = np.roll(y[rows], 1)
    return given, given != y


def _cleanlab(method: str, given: np.ndarray, audit: LabelAudit) -> np.ndarray:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores as label_quality
    from cleanlab.regression.rank import get_label_quality_scores as target_quality

    if method in TARGET_METHODS:
        return -target_quality(given, audit.predictions, method=TARGET_METHODS[method])
    if method in LABEL_METHODS:
        return -label_quality(given, audit.predictions, method=LABEL_METHODS[method])
    issues = find_label_issues(given, audit.predictions, n_jobs=1)
    return issues - label_quality(given, audit.predictions)


def _table(frame: pd.DataFrame, value: str) -> str:
    means = frame.pivot_table(index=["set", "setting"], columns="method", values=value)
    means = means[[name for name in METHODS if name in means]]
    means.loc[("mean", ""), :] = means.mean()
    return means.round(4).to_string()
