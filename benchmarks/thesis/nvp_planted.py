"""What the flow's default settings were chosen on: real tables with planted anomalies.

None of these tables is among those that the tables and figures of the thesis are reproduced on.
Anomalies of the four kinds of Han et al. (ADBench, NeurIPS 2022) are 10 % of the rows; splits and
measurement are those of ``nvp-odds``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from benchmarks._results import Cell, Grid
from benchmarks.thesis._odds import ODDS_VALUES, gain_table, measure_detector
from benchmarks.thesis.nvp_odds import ALTERNATIVES, METHODS
from skrobust import RobustRealNVPDetector
from skrobust.datasets import fetch_regression

VALUES = ODDS_VALUES
RATE = 0.1
MOST_ROWS = 3000
KINDS = ["local", "global", "cluster", "dependency"]
SHOWN = ["default", *ALTERNATIVES, "default unconstrained", "default plain", "RobustRealNVP"]


def _regression_rows(name: str) -> np.ndarray:
    X, y = fetch_regression(name, return_X_y=True)
    return np.column_stack([X, y])


TABLES: dict[str, Callable[[], np.ndarray]] = {
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True)[0],
    "diabetes": lambda: load_diabetes(return_X_y=True)[0],
    "digits": lambda: load_digits(return_X_y=True)[0],
    "concrete": lambda: _regression_rows("concrete"),
    "power_plant": lambda: _regression_rows("power_plant"),
}


def planted(name: str, kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a table with planted anomalies, and which rows they are.

    Parameters
    ----------
    name : str
        A key of ``TABLES``.
    kind : {"local", "global", "cluster", "dependency"}
        "local" and "cluster": from a Gaussian mixture fitted to the rows, with five times their
        covariances or their means. "global": uniform in a box 1.1 times that of the rows.
        "dependency": each column resampled on its own.
    seed : int
        Decides which rows are used and what is planted.
    """
    rng = check_random_state(seed)
    rows = TABLES[name]()
    rows = StandardScaler().fit_transform(rows[rng.permutation(len(rows))[:MOST_ROWS]])
    n = round(len(rows) * RATE / (1 - RATE))
    if kind == "global":
        odd = 1.1 * rng.uniform(rows.min(axis=0), rows.max(axis=0), (n, rows.shape[1]))
    elif kind == "dependency":
        odd = np.column_stack([rng.choice(column, n) for column in rows.T])
    else:
        mixtures = [GaussianMixture(k, reg_covar=1e-3, random_state=seed) for k in (2, 3, 4, 5)]
        mixture = min(mixtures, key=lambda one: one.fit(rows).bic(rows))
        spread, shift = (5, 1) if kind == "local" else (1, 5)
        which = rng.choice(len(mixture.weights_), n, p=mixture.weights_)
        factors = np.linalg.cholesky(spread * mixture.covariances_)
        noise = np.einsum("nij,nj->ni", factors[which], rng.normal(size=(n, rows.shape[1])))
        odd = shift * mixture.means_[which] + noise
    return np.vstack([rows, odd]), np.repeat([0, 1], [len(rows), n])


cells = Grid(TABLES, KINDS, SHOWN)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one flow on the contaminated part and score the other."""
    parameters = (METHODS | ALTERNATIVES)[cell.method]

    def build(rate, width):
        return RobustRealNVPDetector(rate, random_state=cell.seed, device=device, **parameters)

    return measure_detector(cell, build, data=planted(cell.set, cell.setting, cell.seed))


def render(frame: pd.DataFrame) -> str:
    """Mean AUC by kind of anomaly, and what each setting changes."""
    if frame.empty:
        return "nothing measured yet"
    table = frame.pivot_table(index="method", columns="setting", values="auc")
    table = table.reindex(index=[name for name in SHOWN if name in table.index])
    table["mean"] = table.mean(axis=1)
    table["seeds"] = frame.groupby("method")["seed"].nunique()
    parts = [f"Test AUC, planted anomalies, mean over the tables\n\n{table.round(3).to_string()}"]
    cells = frame.pivot_table(index=["set", "setting", "seed"], columns="method", values="auc")
    effects = gain_table(cells, dict.fromkeys(SHOWN[1:], "default"), list(TABLES))
    return "\n\n".join([*parts, f"Against the default\n\n{effects}"] if effects else parts)
