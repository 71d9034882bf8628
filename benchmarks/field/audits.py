"""Which model to audit with: wrong labels and targets on tables, ranked by rows' predictions.

The sets and kinds of ``tables`` and ``targets``. Each model is trained in five folds and judges the
rows that it has not seen. Told are the area under the ROC curve of wrong rows against right ones,
which share of the wrong rows is among as many that are trusted least, the mean precision, and the
rate that the same predictions give. "PRL" ones are told the true rate, the others need none.
cleanlab's ranking by the probability of the given label has the same order as ours in two classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import HuberRegressor
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks._results import Cell, Grid
from benchmarks.field import tables, targets
from skrobust import audit_labels

VALUES = ["auroc", "found", "precision", "true_rate", "rate", "low", "high"]
LABEL_KINDS = [kind for kind in tables.KINDS if kind != "clean"]
TARGET_KINDS = [kind for kind in targets.KINDS if kind != "clean"]
LABEL_SETS = [*tables.REPORTED_ON, *tables.CHOSEN_ON]
TARGET_SETS = [*targets.REPORTED_ON, *targets.CHOSEN_ON]

Make = Callable[[int, float], Any]


def _trees(**kinds: type) -> dict[str, Make]:
    """Make forests of each kind, with leaves of three sizes."""

    def grown(kind: type, leaf: int) -> Make:
        return lambda seed, rate: kind(min_samples_leaf=leaf, random_state=seed)

    return {
        f"{name.replace('_', ' ')}, leaves of {leaf}": grown(kind, leaf)
        for name, kind in kinds.items()
        for leaf in (1, 5, 20)
    }


OF_LABELS: dict[str, Make] = {
    "PRLClassifier": tables.prl(),
    "logistic regression": tables.linear,
    "boosting": lambda seed, rate: HistGradientBoostingClassifier(random_state=seed),
    **_trees(forest=RandomForestClassifier, extra_trees=ExtraTreesClassifier),
}
OF_TARGETS: dict[str, Make] = {
    "PRLRegressor": targets.prl(),
    "Huber": lambda seed, rate: targets.linear(HuberRegressor(max_iter=1_000)),
    "boosting of squares": lambda seed, rate: HistGradientBoostingRegressor(random_state=seed),
    "boosting of absolute errors": lambda seed, rate: HistGradientBoostingRegressor(
        loss="absolute_error", random_state=seed
    ),
    **_trees(regression_forest=RandomForestRegressor, regression_extra_trees=ExtraTreesRegressor),
}
METHODS = {**OF_LABELS, **OF_TARGETS}


def _fits_the_task(cell: Cell) -> bool:
    labels = cell.set in LABEL_SETS
    return (cell.setting in LABEL_KINDS) == labels == (cell.method in OF_LABELS)


cells = Grid(
    [*LABEL_SETS, *TARGET_SETS], [*LABEL_KINDS, *TARGET_KINDS], METHODS, keep=_fits_the_task
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Audit wrong labels or targets with one model."""
    if cell.set in LABEL_SETS:
        X, truth, _, _ = tables.split(cell.set, cell.seed)
        y = tables.corrupt(X, truth, cell.setting, cell.seed)
        wrong = y != truth
    else:
        X, truth, _, _ = targets.split(cell.set, cell.seed)
        y, wrong = targets.corrupt(truth, cell.setting, cell.seed)
    true_rate = float(wrong.mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of stuck values and of rates that are in doubt
        model = METHODS[cell.method](cell.seed, true_rate)
        audit = audit_labels(model, X, y, random_state=cell.seed)
        rate = audit.estimate_rate()
    found = {
        "auroc": roc_auc_score(wrong, audit.scores),
        "found": wrong[audit.order[: wrong.sum()]].mean(),
        "precision": average_precision_score(wrong, audit.scores),
        "true_rate": true_rate,
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
    }
    return {name: round(float(value), 5) for name, value in found.items()}


def render(frame: pd.DataFrame) -> str:
    """Tables of means by model and kind, of labels and of targets."""
    if frame.empty:
        return "nothing measured yet"
    parts = []
    for title, kinds, methods in (
        ("labels", LABEL_KINDS, OF_LABELS),
        ("targets", TARGET_KINDS, OF_TARGETS),
    ):
        part = frame[frame["method"].isin(list(methods))]
        if part.empty:
            continue
        for value in ("auroc", "found"):
            table = part.pivot_table(index="method", columns="setting", values=value)
            table = table.reindex(index=[m for m in methods if m in table.index])
            table = table[[kind for kind in kinds if kind in table]]
            table["mean"] = table.mean(axis=1)
            table["rate off by"] = (
                (part["rate"] - part["true_rate"]).abs().groupby(part["method"]).mean()
            )
            table["seconds"] = part.groupby("method")["seconds"].median()
            parts.append(f"{title}: {value}\n\n{table.round(3).to_string()}")
    return "\n\n".join(parts)
