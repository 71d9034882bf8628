"""Wrong labels of four kinds on tables, beside what one would otherwise do in a minute.

Eight tables for classification (of ADBench, the anomalies are one of two classes), at most 2,500
training rows; four of them are those that the defaults were chosen on. Settings: right labels;
"symmetric", any other label at a rate of 0.1, 0.2 or 0.4; "asymmetric", 15 % of every second class
and 45 % of the others are given the next label; "region", 44 % of the rows on one side of a plane
that halves the table; "unrecorded", 40 % of the rows of class 1 are given as class 0. Told are the
area under the ROC curve (of each class against the others, mean), balanced accuracy and accuracy on
test rows with right labels. Methods are told the true rate, "auto" ones are not; "filtered" is
what the method trains on what a forest's audit leaves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._results import Cell, Grid
from skrobust import PRLClassifier, RobustFilter
from skrobust.datasets import get_data_home

VALUES = ["auc", "balanced_accuracy", "accuracy", "true_rate", "rate", "low", "high"]
MOST_ROWS, MOST_TEST_ROWS, TRAIN_SHARE = 2_500, 2_000, 0.7
CHOSEN_ON = [
    "tables/phoneme",
    "tables/german",
    "adbench/fault",
    "adbench/Cardiotocography",
]
REPORTED_ON = ["tables/vehicle", "adbench/SpamBase", "adbench/magic.gamma", "adbench/yeast"]
KINDS = [
    "clean",
    "symmetric 0.1",
    "symmetric 0.2",
    "symmetric 0.4",
    "asymmetric",
    "region",
    "unrecorded",
]
_SEED_OF_LABELS = 1_000


def prl(**settings: Any) -> Callable[[int, float], Any]:
    """Make a classifier for a seed and the true rate, unless settings say another."""
    return lambda seed, rate: PRLClassifier(
        **{"corruption_rate": rate, "random_state": seed, **settings}
    )


def _forest(seed: int, rate: float = 0.0) -> RandomForestClassifier:
    return RandomForestClassifier(min_samples_leaf=20, random_state=seed)


def _boosting(seed: int, rate: float = 0.0) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(random_state=seed)


def linear(seed: int, rate: float = 0.0) -> Any:
    """Make what one would try first."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))


METHODS: dict[str, Callable[[int, float], Any]] = {
    "PRLClassifier": prl(),
    "its network without selection": prl(selection=None),
    "PRLClassifier auto": prl(corruption_rate="auto"),
    "PRLClassifier at 0.2": prl(corruption_rate=0.2),
    "logistic regression": linear,
    "forest with leaves of 20": _forest,
    "boosting": _boosting,
    "cleanlab + boosting": _boosting,
    "filtered boosting": _boosting,
}


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one method on wrong labels, test it on right ones."""
    X, truth, X_test, y_test = split(cell.set, cell.seed)
    y = corrupt(X, truth, cell.setting, cell.seed)
    true_rate = float(np.mean(y != truth))
    model = METHODS[cell.method](cell.seed, true_rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rates that cannot be relied on: they are in the rows
        if cell.method.startswith("cleanlab"):
            kept = _not_an_issue(model, X, y, cell.seed)
            model.fit(X[kept], y[kept])
        elif cell.method.startswith("filtered"):
            judge = RandomForestClassifier(min_samples_leaf=5, random_state=cell.seed)
            judged = RobustFilter(judge, corruption_rate=true_rate, random_state=cell.seed)
            model.fit(*judged.fit_resample(X, y))
        else:
            model.fit(X, y)
    probabilities = np.zeros((len(X_test), int(truth.max()) + 1))
    probabilities[:, model.classes_] = model.predict_proba(X_test)
    predicted = probabilities.argmax(axis=1)
    ranked = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    found = {
        "auc": roc_auc_score(y_test, ranked, multi_class="ovr"),
        "balanced_accuracy": balanced_accuracy_score(y_test, predicted),
        "accuracy": np.mean(predicted == y_test),
        "true_rate": true_rate,
        "rate": getattr(model, "corruption_rate_", float("nan")),
    }
    found["low"], found["high"] = getattr(model, "corruption_rate_interval_", (float("nan"),) * 2)
    return {name: round(float(value), 5) for name, value in found.items()}


def split(name: str, seed: int) -> tuple[np.ndarray, ...]:
    """Training rows and labels, test rows and labels."""
    with np.load(get_data_home() / f"{name}.npz") as content:
        X, y = content["X"].astype(float), content["y"]
    return divide(X, np.unique(y, return_inverse=True)[1], seed, MOST_ROWS)


def divide(X: np.ndarray, y: np.ndarray, seed: int, most_rows: int) -> tuple[np.ndarray, ...]:
    """Draw training and test rows: features and labels or targets of either."""
    order = np.random.RandomState(seed).permutation(len(X))
    n_train = min(int(TRAIN_SHARE * len(X)), most_rows)
    train, test = order[:n_train], order[n_train : n_train + MOST_TEST_ROWS]
    return X[train], y[train], X[test], y[test]


def corrupt(X: np.ndarray, truth: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Labels of which some are wrong, in the way that a kind says."""
    rng = np.random.RandomState(_SEED_OF_LABELS + seed)
    n_classes = int(truth.max()) + 1
    if kind == "clean":
        return truth
    if kind == "unrecorded":
        return np.where((truth == 1) & (rng.uniform(size=len(truth)) < 0.4), 0, truth)
    if kind == "asymmetric":
        moved = rng.uniform(size=len(truth)) < np.where(truth % 2 == 0, 0.15, 0.45)
        return np.where(moved, (truth + 1) % n_classes, truth)
    if kind == "region":
        scaled = (X - np.median(X, axis=0)) / (X.std(axis=0) + 1e-12)
        side = scaled @ rng.normal(size=X.shape[1])
        moved = (side > np.median(side)) & (rng.uniform(size=len(truth)) < 0.44)
    else:
        moved = rng.uniform(size=len(truth)) < float(kind.split()[1])
    return np.where(moved, (truth + rng.randint(1, n_classes, len(truth))) % n_classes, truth)


def _not_an_issue(model: Any, X: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    from cleanlab.filter import find_label_issues

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    found = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
    return ~find_label_issues(y, found)


cells = Grid([*CHOSEN_ON, *REPORTED_ON], KINDS, METHODS)


def render(frame: pd.DataFrame) -> str:
    """Tables of means by method and kind, on either half of the sets."""
    if frame.empty:
        return "nothing measured yet"
    parts = []
    for title, sets in (("chosen on", CHOSEN_ON), ("reported on", REPORTED_ON)):
        part = frame[frame["set"].isin(sets)]
        for value in ("auc", "balanced_accuracy", "accuracy"):
            if len(part):
                parts.append(f"{value}, sets {title}\n\n{_table(part, value)}")
    return "\n\n".join([*parts, f"error of the rate\n\n{_rates(frame)}"])


def _table(frame: pd.DataFrame, value: str) -> str:
    table = frame.pivot_table(index="method", columns="setting", values=value)
    table = table.reindex(index=[m for m in METHODS if m in table.index])
    table = table[[kind for kind in KINDS if kind in table]]
    table["mean"] = table.mean(axis=1)
    table["seconds"] = frame.groupby("method")["seconds"].median()
    return table.round(3).to_string()


def _rates(frame: pd.DataFrame) -> str:
    """What "auto" finds: mean error, width of intervals, how many of them hold the truth."""
    found = frame[frame["method"] == "PRLClassifier auto"]
    if found.empty:
        return "not measured yet"
    held = (found["low"] <= found["true_rate"]) & (found["true_rate"] <= found["high"])
    told = found.assign(
        error=(found["rate"] - found["true_rate"]).abs(),
        width=found["high"] - found["low"],
        held=held,
    )
    table = told.groupby("setting")[["true_rate", "rate", "error", "width", "held"]].mean()
    return table.reindex([kind for kind in KINDS if kind in table.index]).round(3).to_string()
