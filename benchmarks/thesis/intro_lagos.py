"""Tables 1.1 to 1.3: what removing outliers does to correlations and to a regression of lakes.

The thesis correlates changes of land use, which are not part of the published table of LAGOS-NE;
here it is six other variables of the lakes' surroundings (``correlations``): how far the 15
correlations move when the 5 % of the lakes that a detector finds most abnormal are removed.
``tp`` predicts total phosphorus from nitrogen, chlorophyll, the Secchi depth and the lakes'
surroundings by linear least squares, ``log tp`` with logarithms of the four measurements: mean R²
of a 10-fold cross-validation in which only training rows are removed. A share of 5 % is the
thesis's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pyod.models.iforest import IForest
from pyod.models.lof import LOF
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._results import Cell, Grid
from benchmarks.thesis._detectors import CHAPTER
from benchmarks.thesis._targets import TABLE_1_3
from skrobust import RCADetector, RobustRealNVPDetector
from skrobust.datasets import fetch_lagos

VALUES = ["r2", "largest_change", "mean_change", "sign_changes", "n_rows"]
OPTIONAL = VALUES[:-1]  # either R² or changes
SHARE = 0.05
SETTING = f"remove {SHARE}"
N_FOLDS = 10
CORRELATED = [
    "iws_nlcd2006_for",
    "hu4_nlcd2006_agr",
    "roaddensity_mperha",
    "iws_streamdensity_streams_density_mperha",
    "totalNdep_19902010_diff",
    "IWS_lk_ratio",
]
PHOSPHORUS = "tp_ugL"
MEASURED = [PHOSPHORUS, "tn_ugL", "chla_ugL", "secchi_m"]
SETS = ["correlations", "tp", "log tp"]
NONE = "nothing removed"
METHODS: dict[str, Callable[[int, str], Any]] = {
    NONE: lambda seed, device: None,
    "IForest": lambda seed, device: IForest(contamination=SHARE, random_state=seed),
    "LOF": lambda seed, device: LOF(contamination=SHARE),
    "RCA": lambda seed, device: RCADetector(
        SHARE, preprocessing="standard", random_state=seed, device=device, **CHAPTER
    ),
    "RobustRealNVP": lambda seed, device: RobustRealNVPDetector(
        SHARE,
        margin=1.0,  # the defaults when it was measured
        base="normal",
        random_state=seed,
        device=device,
    ),
}

cells = Grid(SETS, [SETTING], METHODS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Compare correlations with and without the rows removed, or cross-validate a regression."""
    bunch: Any = fetch_lagos(as_frame=True)
    lakes = bunch.frame
    if cell.set == "correlations":
        table = lakes[CORRELATED].to_numpy(np.float64)
        kept = _kept_rows(table, cell, device)
        before, after = correlations(table), correlations(table[kept])
        change = np.abs(after - before)
        values = {
            "largest_change": change.max(),
            "mean_change": change.mean(),
            "sign_changes": float(np.sum(np.sign(before) != np.sign(after))),
        }
    else:
        X, y = _phosphorus(lakes, cell.set == "log tp")
        table = X
        values = {"r2": _cross_validate(X, y, cell, device)}
    rounded = {name: round(float(value), 4) for name, value in values.items()}
    return {**dict.fromkeys(OPTIONAL, float("nan")), **rounded, "n_rows": len(table)}


def correlations(table: np.ndarray) -> np.ndarray:
    """Correlations of all pairs of columns, as one vector."""
    return np.corrcoef(table.T)[np.triu_indices(table.shape[1], 1)]


def _phosphorus(lakes: pd.DataFrame, logarithms: bool) -> tuple[np.ndarray, np.ndarray]:
    table = lakes.astype(np.float64)
    if logarithms:
        table[MEASURED] = np.log(table[MEASURED] + 1e-3)
    return table.drop(columns=PHOSPHORUS).to_numpy(), table[PHOSPHORUS].to_numpy()


def _cross_validate(X: np.ndarray, y: np.ndarray, cell: Cell, device: str) -> float:
    folds = KFold(N_FOLDS, shuffle=True, random_state=cell.seed)
    scores = []
    for train, test in folds.split(X):
        kept = train[_kept_rows(np.column_stack([X[train], y[train]]), cell, device)]
        model = make_pipeline(StandardScaler(), LinearRegression()).fit(X[kept], y[kept])
        scores.append(model.score(X[test], y[test]))
    return float(np.mean(scores))


def _kept_rows(table: np.ndarray, cell: Cell, device: str) -> np.ndarray:
    """Mark the rows that remain when the detector's 5 % are removed."""
    detector = METHODS[cell.method](cell.seed, device)
    if detector is None:
        return np.ones(len(table), dtype=bool)
    return detector.fit(StandardScaler().fit_transform(table)).labels_ == 0


def render(frame: pd.DataFrame) -> str:
    """Changes of the correlations, and R², by detector."""
    if frame.empty:
        return "nothing measured yet"
    means = frame.groupby(["set", "method"])[VALUES].mean()
    parts = []
    if "correlations" in means.index:
        table = means.loc["correlations"].drop(columns="r2").drop(index=NONE, errors="ignore")
        parts.append(f"Correlations of six variables, 15 pairs\n\n{table.round(3).to_string()}")
    r2 = means["r2"].unstack("set").drop(columns="correlations", errors="ignore")
    if not r2.empty:
        r2 = r2.reindex([name for name in METHODS if name in r2.index]).dropna(how="all")
        r2["thesis"] = pd.Series(TABLE_1_3)
        parts.append(f"R² of total phosphorus, 10 folds\n\n{r2.round(3).to_string(na_rep='')}")
    return f"{frame['seed'].nunique()} seeds\n\n" + "\n\n".join(parts)
