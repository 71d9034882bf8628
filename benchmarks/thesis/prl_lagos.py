"""Table 4.5: predicting phosphorus and nitrogen of lakes from corrupted measurements.

LAGOS-NE with a third for testing; nitrogen as log(TN + 1e-3). The thesis does not say how it
treats phosphorus, whose distribution is as skewed: here it is on the scale of micrograms, too.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._regression import (
    ALTERNATIVES,
    METHODS,
    REGRESSION_VALUES,
    measure_regressor,
    split_regression,
)
from benchmarks.thesis._targets import TABLE_4_5
from skrobust.datasets import fetch_lagos

VALUES = REGRESSION_VALUES
RATES = (0.05, 0.15, 0.25)
SETTINGS = [f"{kind} {rate}" for kind in ("maximum", "linadv") for rate in RATES]
SETS = ["tp", "tn"]
SHOWN = ["Standard", "Standard tuned", "PRL(L)", "default"]


cells = Grid(SETS, SETTINGS, SHOWN, more_methods=[*METHODS, *ALTERNATIVES])


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one regressor on corrupted targets and test it on clean ones."""
    X, y = fetch_lagos(target=cell.set, complete=False, return_X_y=True)
    known_rows = np.isfinite(y)
    X, y = X[known_rows], y[known_rows]
    if cell.set == "tn":
        y = np.log(y + 1e-3)
    kind, rate = cell.setting.split()
    data = split_regression(X, y, kind, float(rate), cell.seed)
    return measure_regressor(data, cell.method, float(rate), cell.seed, device)


def render(frame: pd.DataFrame) -> str:
    """Mean R² beside the thesis's."""
    if frame.empty:
        return "nothing measured yet"
    table = frame.pivot_table(index=["set", "setting"], columns="method", values="r2")
    table = table[[name for name in METHODS if name in table]]
    for i, name in enumerate(("PRL", "Standard")):
        table[f"thesis {name}"] = [TABLE_4_5[key][i] for key in table.index]
    seeds = frame.groupby(["set", "method", "setting"])["seed"].nunique()
    title = f"R² on a clean test ({seeds.min()} to {seeds.max()} seeds)"
    return f"{title}\n\n{table.round(3).to_string()}"
