"""Wrong targets of four kinds on tables, beside scikit-learn's robust regressors.

Nine tables for regression and Friedman's function, at most 2,000 training rows; the defaults were
chosen on six of them. Settings: right targets; "swap", 40 % of the targets exchanged among rows;
"shift", 30 % too high by one to three standard deviations; "scale", 20 % times 1,000; "stuck", 40 %
at the value that 90 % of the targets do not exceed. Told is the coefficient of determination on
test rows with right targets. PRLRegressor is told the true rate, "auto" is not; "right rows only"
is the same network without the wrong rows, which nobody has in practice; "filtered" is what
boosting learns from what an audit by boosting leaves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_friedman1
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import HuberRegressor, RANSACRegressor, TheilSenRegressor
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from benchmarks._results import Cell, Grid
from benchmarks.field.tables import divide
from skrobust import PRLRegressor, RobustFilter
from skrobust.corruption import corrupt_targets
from skrobust.datasets import get_data_home

VALUES = ["r2", "true_rate", "rate", "low", "high"]
MOST_ROWS = 2_000
FRIEDMAN = "friedman1"
CHOSEN_ON = [f"regression/{name}" for name in ("concrete", "energy", "kin8nm", "power_plant")]
CHOSEN_ON += ["regression/protein", "regression/naval"]
REPORTED_ON = ["tables/diamonds", "tables/Hedonic", "tables/Computers", FRIEDMAN]
KINDS = ["clean", "swap 0.4", "shift 0.3", "scale 0.2", "stuck 0.4"]
_SEED_OF_TARGETS = 1_000


def prl(**settings: Any) -> Callable[[int, float], Any]:
    """Make a regressor for a seed and the true rate, unless settings say another."""
    return lambda seed, rate: PRLRegressor(
        **{"corruption_rate": rate, "random_state": seed, **settings}
    )


def _boosting(loss: str) -> Callable[[int, float], Any]:
    return lambda seed, rate: HistGradientBoostingRegressor(loss=loss, random_state=seed)


def linear(model: Any) -> Any:
    """Linear models want columns and targets of like size."""
    return make_pipeline(
        StandardScaler(), TransformedTargetRegressor(model, transformer=RobustScaler())
    )


METHODS: dict[str, Callable[[int, float], Any]] = {
    "PRLRegressor": prl(),
    "PRLRegressor auto": prl(corruption_rate="auto"),
    "PRLRegressor at 0": prl(corruption_rate=0.0),
    "its network without selection": prl(selection=None),
    "its network on right rows only": prl(corruption_rate=0.0),
    "Huber": lambda seed, rate: linear(HuberRegressor(max_iter=1_000)),
    "RANSAC": lambda seed, rate: linear(RANSACRegressor(random_state=seed)),
    "Theil-Sen": lambda seed, rate: linear(TheilSenRegressor(random_state=seed)),
    "forest with leaves of 5": lambda seed, rate: RandomForestRegressor(
        min_samples_leaf=5, random_state=seed
    ),
    "boosting": _boosting("squared_error"),
    "boosting of absolute errors": _boosting("absolute_error"),
    "boosting of Huber's loss": lambda seed, rate: GradientBoostingRegressor(
        loss="huber", random_state=seed
    ),
    "filtered boosting": _boosting("squared_error"),
}


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one method on wrong targets, test it on right ones."""
    X, truth, X_test, y_test = split(cell.set, cell.seed)
    y, wrong = corrupt(truth, cell.setting, cell.seed)
    true_rate = float(wrong.mean())
    model = METHODS[cell.method](cell.seed, true_rate)
    if cell.method.endswith("right rows only"):
        X, y = X[~wrong], y[~wrong]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rates that cannot be relied on: they are in the rows
        if cell.method.startswith("filtered"):
            judge = _boosting("absolute_error")(cell.seed, true_rate)
            judged = RobustFilter(judge, corruption_rate=true_rate, random_state=cell.seed)
            X, y = judged.fit_resample(X, y)
        model.fit(X, y)
    low, high = getattr(model, "corruption_rate_interval_", (float("nan"),) * 2)
    found = {
        "r2": r2_score(y_test, model.predict(X_test)),
        "true_rate": true_rate,
        "rate": getattr(model, "corruption_rate_", float("nan")),
        "low": low,
        "high": high,
    }
    return {name: round(float(value), 5) for name, value in found.items()}


def split(name: str, seed: int) -> tuple[np.ndarray, ...]:
    """Training rows and targets, test rows and targets."""
    if name == FRIEDMAN:
        X, y = make_friedman1(4_000, n_features=10, noise=1.0, random_state=seed)
    else:
        with np.load(get_data_home() / f"{name}.npz") as content:
            X, y = content["X"].astype(float), content["y"].astype(float)
        y = y.reshape(len(y), -1)[:, 0]
    return divide(X, y, seed, MOST_ROWS)


def corrupt(truth: np.ndarray, setting: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets of which some are wrong, in the way that a setting says, and which they are."""
    if setting == "clean":
        return truth, np.zeros(len(truth), dtype=bool)
    kind, share = setting.split()
    seed += _SEED_OF_TARGETS
    return corrupt_targets(truth, float(share), kind=kind, random_state=seed)


cells = Grid([*REPORTED_ON, *CHOSEN_ON], KINDS, METHODS)


def render(frame: pd.DataFrame) -> str:
    """Tables of means by method and kind, on either part of the sets."""
    if frame.empty:
        return "nothing measured yet"
    parts = []
    for title, sets in (("reported on", REPORTED_ON), ("chosen on", CHOSEN_ON)):
        part = frame[frame["set"].isin(sets)]
        if len(part):
            parts.append(f"coefficient of determination, sets {title}\n\n{_table(part)}")
    auto = frame[frame["method"] == "PRLRegressor auto"]
    if len(auto):
        found = auto.groupby("setting")[["true_rate", "rate", "low", "high"]].mean()
        known = [kind for kind in KINDS if kind in found.index]
        parts.append(f"rates found\n\n{found.reindex(known).round(3).to_string()}")
    return "\n\n".join(parts)


def _table(frame: pd.DataFrame) -> str:
    """Means; what is below -1 counts as -1, so that one failure does not hide the rest."""
    table = frame.assign(r2=frame["r2"].clip(lower=-1)).pivot_table(
        index="method", columns="setting", values="r2"
    )
    table = table.reindex(index=[m for m in METHODS if m in table.index])
    table = table[[kind for kind in KINDS if kind in table]]
    table["mean"] = table.mean(axis=1)
    table["seconds"] = frame.groupby("method")["seconds"].median()
    return table.round(3).to_string()
