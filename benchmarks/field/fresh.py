"""How many fresh normal rows detectors flag whose threshold is that of the training rows.

Training and fresh rows are standard normal; nothing is abnormal, and the detectors are told a
contamination of 0.1. Scores of rows that a model was trained on are lower than those of fresh ones,
which are then flagged too often. "independent normals", the distance from the mean in standard
deviations of each column, knows the kind of distribution and estimates two numbers a column: what
is left over 0.1 there is the sample's doing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pyod.models.iforest import IForest
from pyod.models.knn import KNN

from benchmarks._results import Cell, Grid
from skrobust import RCADetector, RobustRealNVPDetector

VALUES = ["flagged"]
RATE = 0.1
N_FRESH = 2_000
SIZES = {"200 rows, 20 columns": (200, 20), "1,000 rows, 30 columns": (1_000, 30)}


class _IndependentNormals:
    def fit(self, X: np.ndarray) -> _IndependentNormals:
        self.mean, self.deviation = X.mean(axis=0), X.std(axis=0)
        self.threshold = np.percentile(self._distances(X), 100 * (1 - RATE))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self._distances(X) > self.threshold

    def _distances(self, X: np.ndarray) -> np.ndarray:
        return (((X - self.mean) / self.deviation) ** 2).sum(axis=1)


def _flow(**settings: Any) -> Callable[[int, str], Any]:
    return lambda seed, device: RobustRealNVPDetector(
        RATE, random_state=seed, device=device, **settings
    )


METHODS: dict[str, Callable[[int, str], Any]] = {
    "RobustRealNVPDetector": _flow(),
    "its margin 2": _flow(margin=2.0),
    "its margin 1": _flow(margin=1.0),
    "its margin 0": _flow(margin=0.0),
    "RCADetector": lambda seed, device: RCADetector(RATE, random_state=seed, device=device),
    "IForest (PyOD)": lambda seed, device: IForest(contamination=RATE, random_state=seed),
    "KNN (PyOD)": lambda seed, device: KNN(contamination=RATE),
    "independent normals": lambda seed, device: _IndependentNormals(),
}
cells = Grid(SIZES, ["default"], METHODS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Share of fresh rows that one detector flags."""
    rng = np.random.RandomState(cell.seed)
    n_rows, n_columns = SIZES[cell.set]
    X, fresh = rng.normal(size=(n_rows, n_columns)), rng.normal(size=(N_FRESH, n_columns))
    detector = METHODS[cell.method](cell.seed, device).fit(X)
    return {"flagged": round(float(np.mean(detector.predict(fresh))), 4)}


def render(frame: pd.DataFrame) -> str:
    """Table of mean shares."""
    if frame.empty:
        return "nothing measured yet"
    table = frame.pivot_table(index="method", columns="set", values="flagged")
    table = table.reindex(index=[m for m in METHODS if m in table.index], columns=list(SIZES))
    table["seeds"] = frame.groupby("method")["seed"].nunique()
    return f"fresh normal rows flagged, 0.1 asked for\n\n{table.round(3).to_string()}"
