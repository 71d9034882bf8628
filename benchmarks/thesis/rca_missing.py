"""Table 2.2: what is left of the detectors' AUC when cells are missing and means stand in for them.

Every cell of a set is removed with probability 0.1 to 0.5, in training and in test rows alike, and
replaced by the mean of the column's observed training cells (the published code takes the test
rows' cells too). All else is as in ``rca-odds``, where nothing is missing.
"""

from __future__ import annotations

import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from benchmarks._results import Cell, Grid
from benchmarks.thesis._detectors import make_detector
from benchmarks.thesis._odds import ODDS_VALUES, measure_detector
from benchmarks.thesis._targets import TABLE_2_1, TABLE_2_2
from skrobust.corruption import mask_missing
from skrobust.datasets import fetch_odds
from skrobust.metrics import win_draw_loss

VALUES = ODDS_VALUES
SETTINGS = {f"missing {rate}": rate for rate in (0.1, 0.2, 0.3, 0.4, 0.5)}
# Our names of the table's columns
COLUMNS = {
    "RCA-E": "RCA-E",
    "RCA-SS": "RCA-SS",
    "AE": "AE",
    "PyOD VAE": "VAE",
    "SO_GAAL": "SO-GAAL",
    "DeepSVDD": "Deep-SVDD",
    "OCSVM": "OCSVM",
    "IForest": "IF",
}
METHODS = ["RCA", *COLUMNS]


cells = Grid(TABLE_2_1, SETTINGS, METHODS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one detector on rows with replaced cells and score others of that kind."""
    X, y = fetch_odds(cell.set, return_X_y=True)
    rate = SETTINGS[cell.setting]
    X, _ = mask_missing(X, rate, exact=False, random_state=cell.seed)
    return measure_detector(
        cell,
        lambda rate, width: make_detector(cell.method, rate, cell.seed, width, device),
        scale=lambda: make_pipeline(SimpleImputer(keep_empty_features=True), MinMaxScaler()),
        data=(X, y),
    )


def render(frame: pd.DataFrame) -> str:
    """Mean AUC, and how often RCA wins, draws and loses, by share of missing cells."""
    if frame.empty:
        return "nothing measured yet"
    cells = frame.pivot_table(index=["setting", "set", "seed"], columns="method", values="auc")
    cells = cells[[name for name in METHODS if name in cells]].dropna()
    means = cells.groupby("setting").mean()
    means.insert(0, "sets", cells.reset_index("set").groupby("setting")["set"].nunique())
    parts = [f"Mean test AUC where all are measured\n\n{means.round(3).to_string()}"]
    counts = win_counts(frame)
    if not counts.empty:
        parts.append(f"RCA against each method: sets won-drawn-lost\n\n{counts.to_string()}")
        thesis = pd.DataFrame(TABLE_2_2).T
        parts.append(f"Thesis, 19 sets\n\n{thesis.to_string()}")
    return "\n\n".join(parts)


def win_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Sets that RCA wins, draws and loses against each method, by share of missing cells."""
    rows = {}
    for setting in SETTINGS:
        chosen = frame[frame["setting"] == setting]
        cells = chosen.pivot_table(index=["set", "seed"], columns="method", values="auc").dropna()
        means = cells.groupby("set").mean()
        if "RCA" in means and len(means.columns) > 1:
            won = win_draw_loss(means, "RCA")
            text = won[["win", "draw", "loss"]].astype(str).agg("-".join, axis=1)
            rows[setting] = text.rename(COLUMNS)
    return pd.DataFrame(rows).T
