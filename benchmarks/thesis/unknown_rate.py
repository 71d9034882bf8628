"""What if nobody knows the rate? Estimates of it, and what they cost, on planted corruption.

Labels (symmetric and pairflip, 0 to 40 %), targets (five corruptions, 0 to 40 %) and anomalies (the
ODDS sets below 8,000 rows). "auto" is the library's estimate, inside ``fit``; other ways to
estimate look at predictions of the same kind (three folds, by learners that are told 0.3), or at
the same scores. The score beside an estimate is what the learner
that used it reaches on clean test data (accuracy, R²) or on the test part (AUC); "true rate" is
the learner that was told.
"""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.utils import check_random_state
from skorch.callbacks import Callback

from benchmarks._results import Cell, Grid
from benchmarks.thesis._detectors import CHAPTER
from benchmarks.thesis._labels import PERCEPTRON
from benchmarks.thesis._odds import split
from benchmarks.thesis._rates import LABEL_WAYS, SCORE_WAYS, TARGET_WAYS, loss_mixture
from benchmarks.thesis._regression import CLEAN, split_regression
from skrobust import PRLClassifier, PRLRegressor, RCADetector, RobustRealNVPDetector
from skrobust.corruption import corrupt_labels
from skrobust.datasets import (
    fetch_fashion_mnist,
    fetch_mnist,
    fetch_odds,
    fetch_regression,
)

VALUES = ["rate", "true_rate", "low", "high", "doubted", "score", "n_train"]
OPTIONAL = ["low", "high", "score"]  # other ways than ours have none
AUTO, TOLD, EARLY = "auto", "true rate", "loss mixture"

RATES = (0.0, 0.1, 0.2, 0.3, 0.4)
UP_TO = 0.3
PICTURES = {"mnist": fetch_mnist, "fashion-mnist": fetch_fashion_mnist}
TABLES = {"digits": load_digits, "breast_cancer": load_breast_cancer, "wine": load_wine}
TWO_CLASSES = ("breast_cancer", "satellite")
LABELS = [*TABLES, "satellite", *PICTURES]
TARGETS = ["concrete", "kin8nm", "power_plant"]
MIXED = ("linadv", "signflip", "uninoise", "maximum")
ODDS = [
    "annthyroid",
    "arrhythmia",
    "breastw",
    "cardio",
    "glass",
    "ionosphere",
    "letter",
    "mnist",
    "musk",
    "optdigits",
    "pendigits",
    "pima",
    "satellite",
    "satimage-2",
    "thyroid",
    "vowels",
]
DETECTORS: dict[str, Any] = {
    # the defaults when they were measured
    "rca": partial(RCADetector, **CHAPTER),
    "nvp": partial(RobustRealNVPDetector, margin=1.0, base="normal"),
}
SCORED = [f"{name} {detector}" for detector in DETECTORS for name in ODDS]
SETS = [*LABELS, *TARGETS, *SCORED]

LABEL_SETTINGS = [f"{kind} {rate}" for rate in RATES for kind in ("symmetric", "pairflip")]
TARGET_SETTINGS = [
    f"{CLEAN} 0",
    *(f"{kind} {rate}" for rate in RATES[1:] for kind in (*MIXED, "mixture")),
]
ANOMALIES = "anomalies"
SETTINGS = list(dict.fromkeys([*LABEL_SETTINGS, *TARGET_SETTINGS, ANOMALIES]))
METHODS = [AUTO, TOLD, EARLY, *LABEL_WAYS, *TARGET_WAYS, *SCORE_WAYS]

N_PICTURES, N_TEST = 10_000, 5_000
MOST_ROWS = 3_000
TEST_SHARE = 0.33
N_EARLY = 4
PILOT_RATE = 0.3  # told to learners whose predictions other ways look at
_NETWORK: dict[str, Any] = {"hidden_layer_sizes": (128, 128), "max_epochs": 30}
_STEPS: dict[str, Any] = {"min_steps": 500}


def _settings(name: str) -> list[str]:
    if name in TARGETS:
        return TARGET_SETTINGS
    if name not in LABELS:
        return [ANOMALIES]
    two = name in TWO_CLASSES  # the next class is any other
    clean = "pairflip 0.0"
    return [s for s in LABEL_SETTINGS if s != clean and not (two and s.startswith("pairflip"))]


def _methods(name: str) -> list[str]:
    if name in LABELS:
        return [AUTO, TOLD, EARLY, *LABEL_WAYS]
    return [AUTO, TOLD, *(TARGET_WAYS if name in TARGETS else SCORE_WAYS)]


def _is_of_use(cell: Cell) -> bool:
    return cell.setting in _settings(cell.set) and cell.method in _methods(cell.set)


# Methods last: they share trainings
cells = Grid(SETS, SETTINGS, METHODS, keep=_is_of_use)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Estimate the rate of one set in one way."""
    name, method, setting, seed = cell
    data = _load(name, setting, seed)
    found = {"low": np.nan, "high": np.nan, "doubted": 0, "score": np.nan}
    if method == TOLD:
        model = _model(name, data.rate, seed, device)
        found |= {"rate": data.rate, "score": _score(data, _fit(data, model)[0])}
    elif method == AUTO:
        model, doubted, found["score"] = _auto(name, setting, seed, device)
        learnt = "corruption_rate_" if data.y is not None else "contamination_"
        low, high = getattr(model, f"{learnt.rstrip('_')}_interval_")
        found |= {"rate": getattr(model, learnt), "low": low, "high": high, "doubted": doubted}
    elif method == EARLY:
        found["rate"] = loss_mixture(_early_losses(data, name, seed, device))
    else:
        ways: dict[str, Any] = {**LABEL_WAYS, **TARGET_WAYS, **SCORE_WAYS}
        found["rate"] = ways[method](*_seen(name, setting, seed, device))
    return {
        "rate": round(float(found["rate"]), 5),
        "true_rate": round(data.rate, 5),
        "low": round(found["low"], 5),
        "high": round(found["high"], 5),
        "doubted": int(found["doubted"]),
        "score": round(found["score"], 5),
        "n_train": len(data.X),
    }


class _Data(NamedTuple):
    X: np.ndarray
    y: np.ndarray | None
    X_test: np.ndarray
    y_test: np.ndarray
    rate: float


def _load(name: str, setting: str, seed: int) -> _Data:
    if name in SCORED:
        X, y = fetch_odds(name.split()[0], return_X_y=True)
        train, test = split(len(X), seed)
        return _Data(X[train], None, X[test], y[test], float(y[train].mean()))
    kind, text = setting.split()
    rate = float(text)
    if name in TARGETS:
        X, y = fetch_regression(name, return_X_y=True)
        part = split_regression(X, y, kind, rate, seed, MIXED)
        rows, given = part.X_train[:MOST_ROWS], part.y_train[:MOST_ROWS].ravel()
        true_rate = float(part.mask[:MOST_ROWS].mean())
        return _Data(rows, given, part.X_test, part.y_test.ravel(), true_rate)
    X, y, X_test, y_test = _labelled(name, seed)
    mask = np.zeros(len(y), dtype=bool)
    if rate > 0:
        y, mask = corrupt_labels(y, rate, kind=kind, random_state=seed)
    return _Data(X, y, X_test, y_test, float(mask.mean()))


def _labelled(name: str, seed: int) -> tuple[np.ndarray, ...]:
    order = check_random_state(seed).permutation
    if name in PICTURES:
        X, y = PICTURES[name](subset="train", return_X_y=True)
        train = order(len(X))[:N_PICTURES]
        X_test, y_test = PICTURES[name](subset="test", return_X_y=True)
        rows = [
            (part.reshape(len(part), -1) / 255).astype(np.float32) for part in (X[train], X_test)
        ]
        return rows[0], y[train], rows[1][:N_TEST], y_test[:N_TEST]
    X, y = TABLES[name](return_X_y=True) if name in TABLES else fetch_odds(name, return_X_y=True)
    test, train = np.split(order(len(X)), [round(TEST_SHARE * len(X))])
    return X[train], y[train], X[test], y[test]


def _model(name: str, rate: float | str, seed: int, device: str):
    common: Any = {"random_state": seed, "device": device}
    if name in TARGETS:
        return PRLRegressor(corruption_rate=rate, **common)
    if name in PICTURES:
        form = {**PERCEPTRON, **_NETWORK, "preprocessing": None}
        return PRLClassifier(corruption_rate=rate, **form, **common)
    if name in LABELS:
        return PRLClassifier(corruption_rate=rate, **PERCEPTRON, **_STEPS, **common)
    # rates above one half cannot be told to a detector, and do not occur
    return DETECTORS[name.split()[1]](contamination=rate, **common)


def _fit(data: _Data, model) -> tuple[Any, bool]:
    """Fit; whether the estimate was in doubt."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(data.X, data.y) if data.y is not None else model.fit(data.X)
    return model, any("cannot be relied on" in str(warning.message) for warning in caught)


def _score(data: _Data, model) -> float:
    if data.y is None:
        return float(roc_auc_score(data.y_test, model.decision_function(data.X_test)))
    return float(model.score(data.X_test, data.y_test))


@lru_cache(maxsize=1)
def _auto(name: str, setting: str, seed: int, device: str) -> tuple[Any, bool, float]:
    """Fit with "auto"; the model, its doubt and its score."""
    data = _load(name, setting, seed)
    model, doubted = _fit(data, _model(name, AUTO, seed, device))
    return model, doubted, _score(data, model)


@lru_cache(maxsize=1)
def _seen(name: str, setting: str, seed: int, device: str) -> tuple[np.ndarray, ...]:
    """What other ways look at: scores, or predictions for unseen rows beside what was given."""
    if name in SCORED:
        return (_auto(name, setting, seed, device)[0].decision_scores_,)
    X, y, *_ = _load(name, setting, seed)
    assert y is not None  # for mypy
    model, folds = _model(name, PILOT_RATE, seed, device), KFold(3, shuffle=True, random_state=seed)
    if name in TARGETS:
        return y, cross_val_predict(model, X, y, cv=folds)
    codes = np.unique(y, return_inverse=True)[1]
    return cross_val_predict(model, X, codes, cv=folds, method="predict_proba"), codes


class _EarlyLosses(Callback):
    def __init__(self) -> None:
        self.losses = np.empty(0)

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == N_EARLY:
            self.losses = net.state_.record.scores.mean(dim=0).cpu().numpy()


def _early_losses(data: _Data, name: str, seed: int, device: str) -> np.ndarray:
    early = _EarlyLosses()
    model = _model(name, 0.0, seed, device).set_params(
        selection=None, early_stopping=False, max_epochs=N_EARLY, min_steps=None, callbacks=[early]
    )
    _fit(data, model)
    return early.losses


def render(frame: pd.DataFrame) -> str:
    """Errors of the estimates, what "auto" costs, how often it says that it is in doubt."""
    if frame.empty:
        return "nothing measured yet"
    frame = frame.assign(
        error=frame["rate"] - frame["true_rate"],
        task=np.select(
            [
                frame["set"].isin(LABELS),
                frame["set"].isin(TARGETS),
                frame["set"].str.endswith("rca"),
            ],
            ["labels", "targets", "anomalies, RCA"],
            "anomalies, RealNVP",
        ),
    )
    estimates = frame[frame["method"] != TOLD]
    few = estimates["true_rate"] <= UP_TO + 0.01
    is_anomaly = estimates["task"].str.startswith("anomalies")
    size = estimates["error"].abs()
    tables = {
        "Mean absolute error, all rates": size,
        f"Mean absolute error, rates up to {UP_TO}": size.where(few | is_anomaly),
        "Largest estimate on clean data": estimates["rate"].where(estimates["true_rate"] == 0),
    }
    parts = []
    for title, values in tables.items():
        how = "max" if title.startswith("Largest") else "mean"
        by = values.groupby([estimates["method"], estimates["task"]]).agg(how).unstack("task")
        by = by.loc[[name for name in METHODS if name in by.index]].dropna(how="all")
        parts.append(f"{title}\n\n{by.round(4).to_string(na_rep='')}")
    auto = estimates[estimates["method"] == AUTO]
    parts += [_bias_table(auto), _cost_table(frame), _doubt_table(auto)]
    seeds = frame.groupby("task")["seed"].nunique().to_string()
    return "\n\n".join([*parts, f"Seeds\n\n{seeds}"])


def _bias_table(auto: pd.DataFrame) -> str:
    planted = auto[~auto["task"].str.startswith("anomalies")]
    rates = planted["setting"].str.split().str[1].astype(float)  # "0" and "0.0" are one
    means = planted.pivot_table(index="set", columns=rates.rename("planted rate"), values="error")
    return f"Mean error of auto, by set and planted rate\n\n{means.round(3).to_string(na_rep='')}"


def _cost_table(frame: pd.DataFrame) -> str:
    keys = ["task", "set", "setting", "seed", "true_rate"]
    chosen = frame[frame["method"].isin([AUTO, TOLD])]
    scores = chosen.pivot_table(index=keys, columns="method", values="score").reset_index()
    if not {AUTO, TOLD} <= set(scores.columns):
        return "no pairs of auto and true rate yet"
    scores["difference"] = scores[AUTO] - scores[TOLD]
    anomaly = scores["task"].str.startswith("anomalies")
    few = scores[anomaly | (scores["true_rate"] <= UP_TO + 0.01)]
    table = few.groupby("task")[[AUTO, TOLD, "difference"]].mean().round(4)
    return (
        f"Score with the estimated and with the true rate (accuracy, R², AUC), rates up to {UP_TO}"
        f"\n\n{table.to_string()}"
    )


def _doubt_table(auto: pd.DataFrame) -> str:
    wrong = auto["error"].abs() > 0.1
    table = pd.DataFrame(
        {
            "cells": auto.groupby("task").size(),
            "in doubt": auto.groupby("task")["doubted"].sum(),
            "off by more than 0.1": wrong.groupby(auto["task"]).sum(),
            "of these in doubt": auto["doubted"].where(wrong, 0).groupby(auto["task"]).sum(),
            "truth in the interval": auto["true_rate"]
            .between(auto["low"] - 1e-9, auto["high"] + 1e-9)
            .groupby(auto["task"])
            .sum(),
        }
    )
    return f"Doubts and intervals of auto\n\n{table.astype(int).to_string()}"
