"""Our detectors on 30 tables, beside PyOD's.

18 sets of ODDS and 12 more of ADBench, at most 6,000 rows of each, split 60/40 uniformly at random;
the training part keeps its anomalies. Settings: "true rate", ours are told the share of anomalies;
"auto", they estimate it; "0.1", they are told that. The last two train alike, so that one fit
serves both. "any rate" is for PyOD's, whose scores do not depend on the rate; they have their
defaults and standardised rows.

Values of a row: ``auc`` and ``ap`` (average precision) of the test rows; ``true_rate``, the share
of anomalies in the set; ``rate``, what the detector took it to be, with ``low`` and ``high``, the
interval of "auto", and ``doubted``, 1 if it warned that the estimate cannot be relied on;
``n_rows`` of the set before rows are drawn; ``fit_seconds``, CPU time of fit and scores;
``failed``: 0, or, with blank ``auc`` and ``ap``, 1 if it raised an error, 2 if scores were not
finite, 3 if 300 seconds were not enough.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmarks._results import Cell, Grid
from benchmarks.field._peers import PEERS, fit_and_score, make_peer
from benchmarks.thesis._odds import split
from skrobust import RCADetector, RobustRealNVPDetector
from skrobust.datasets import ADBENCH_SETS, ODDS_SETS, fetch_adbench, fetch_odds

VALUES = ["auc", "ap", "true_rate", "rate", "low", "high", "doubted", "n_rows"]
VALUES += ["fit_seconds", "failed"]
MOST_ROWS = 6_000
ODDS, ADBENCH = ([f"odds/{n}" for n in ODDS_SETS], [f"adbench/{n}" for n in ADBENCH_SETS])
TOLD, AUTO, TENTH, ANY = "true rate", "auto", "0.1", "any rate"
OURS: dict[str, Callable[..., Any]] = {
    "RobustRealNVPDetector": RobustRealNVPDetector,
    "RCADetector": RCADetector,
}

cells = Grid(
    [*ODDS, *ADBENCH],
    [TOLD, AUTO, TENTH, ANY],
    [*OURS, *PEERS],
    keep=lambda cell: (cell.setting == ANY) == (cell.method in PEERS),
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one detector on the contaminated part of a set and score the other."""
    trained = AUTO if cell.setting == TENTH else cell.setting
    found = dict(_train(cell.set, cell.method, trained, cell.seed, device))
    if cell.setting == TENTH:
        found |= {"rate": 0.1, "low": np.nan, "high": np.nan, "doubted": 0}
    return {name: round(found[name], 6) for name in VALUES}


class _Part(NamedTuple):
    X: np.ndarray
    new: np.ndarray
    y_new: np.ndarray
    rate: float
    n_rows: int


@lru_cache(maxsize=1)
def _load(name: str, seed: int) -> _Part:
    """Training and test rows, which test rows are anomalies, and the set's rate and size."""
    folder, _, key = name.partition("/")
    fetch = fetch_odds if folder == "odds" else fetch_adbench
    X, y = fetch(key, return_X_y=True)
    n_rows = len(X)
    if n_rows > MOST_ROWS:
        kept = np.random.RandomState(0).permutation(n_rows)[:MOST_ROWS]
        X, y = X[kept], y[kept]
    train, test = split(len(X), seed)
    return _Part(X[train], X[test], y[test], float(y.mean()), n_rows)


@lru_cache(maxsize=len(OURS))  # the methods of "auto" are measured before those of "0.1"
def _train(name: str, method: str, setting: str, seed: int, device: str) -> dict[str, float]:
    part = _load(name, seed)
    X, new = part.X, part.new
    if method in PEERS:
        scaler = StandardScaler().fit(X)
        X, new, detector = scaler.transform(X), scaler.transform(new), make_peer(method, seed)
    else:
        told = AUTO if setting == AUTO else part.rate
        detector = OURS[method](contamination=told, random_state=seed, device=device)
    outcome = fit_and_score(detector, X, new, seed)
    low, high = getattr(detector, "contamination_interval_", (np.nan, np.nan))
    found = {
        "auc": np.nan,
        "ap": np.nan,
        "true_rate": part.rate,
        "rate": getattr(detector, "contamination_", np.nan) if method in OURS else np.nan,
        "low": low,
        "high": high,
        "doubted": int(any("cannot be relied on" in text for text in outcome.warned)),
        "n_rows": part.n_rows,
        "fit_seconds": outcome.seconds,
        "failed": outcome.failed,
    }
    if outcome.scores is not None:
        found["auc"] = roc_auc_score(part.y_new, outcome.scores)
        found["ap"] = average_precision_score(part.y_new, outcome.scores)
    return found


def render(frame: pd.DataFrame) -> str:
    """Mean AUC by method."""
    if frame.empty:
        return "nothing measured yet"
    means = frame.groupby(["setting", "method"])[["auc", "ap", "fit_seconds", "failed"]].mean()
    return means.round(3).to_string()
