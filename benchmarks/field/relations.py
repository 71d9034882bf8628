"""Which estimators keep their results when a table is changed in ways that should not matter.

Each estimator runs through :func:`skrobust.testing.check_robust_estimator` on three tables. Told
is the difference that a change makes, as a share of what is allowed: twice the difference between
two seeds. Values up to 1 are kept. Ours are smaller than by default, to be quick.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import HuberRegressor, LogisticRegression
from sklearn.neighbors import LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._results import Cell, Grid
from skrobust import (
    BackdoorRobustClassifier,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustRealNVPDetector,
)
from skrobust.testing import RELATIONS, check_robust_estimator

VALUES = list(RELATIONS)
_SMALL: dict[str, Any] = {"hidden_layer_sizes": (32,)}
_LEARNER: dict[str, Any] = {"corruption_rate": 0.1, "max_epochs": 60, **_SMALL}
_RCA: dict[str, Any] = {"n_passes": 10, "latent_dim": 2, "dropout": 0.1, "lr": 3e-3, **_SMALL}
ESTIMATORS: dict[str, Any] = {
    "RCADetector": RCADetector(max_epochs=60, **_RCA),
    "RobustRealNVPDetector": RobustRealNVPDetector(lr=1e-3, **_SMALL),
    "IForest (PyOD)": IForest(),
    "IsolationForest": IsolationForest(),
    "KNN (PyOD)": KNN(),
    "ECOD (PyOD)": ECOD(),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "PRLClassifier": PRLClassifier(**_LEARNER),
    "BackdoorRobustClassifier": BackdoorRobustClassifier(noisy_label="prl", **_LEARNER),
    "RandomForestClassifier": RandomForestClassifier(min_samples_leaf=5),
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=50),
    "LogisticRegression, scaled": make_pipeline(StandardScaler(), LogisticRegression()),
    "MLPClassifier, scaled": make_pipeline(
        StandardScaler(), MLPClassifier((32,), early_stopping=True, max_iter=500)
    ),
    "PRLRegressor": PRLRegressor(lr=3e-3, **_LEARNER),
    "HuberRegressor, scaled": make_pipeline(StandardScaler(), HuberRegressor()),
    "RandomForestRegressor": RandomForestRegressor(min_samples_leaf=5),
}
cells = Grid(["table"], ["default"], ESTIMATORS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Share of the tolerance that each change takes; nan where it does not apply."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_robust_estimator(
            ESTIMATORS[cell.method], random_state=cell.seed, on_fail=None
        )
    found = {result.relation: result.difference / result.tolerance for result in results}
    shares = {name: found.get(name, float("nan")) for name in VALUES}
    failed = {r.relation for r in results if not r.kept and not np.isfinite(r.difference)}
    return {n: float("inf") if n in failed else round(share, 4) for n, share in shares.items()}


def render(frame: pd.DataFrame) -> str:
    """Table of the largest share over the tables, and a mark where the relation breaks."""
    if frame.empty:
        return "nothing measured yet"
    worst = frame.groupby("method")[VALUES].median()
    worst = worst.loc[[name for name in ESTIMATORS if name in worst.index]]

    def shown(share: float) -> str:
        if pd.isna(share):
            return ""
        return f"{share:.2f}" if share <= 1 else f"{min(share, 9999):.3g} *"

    table = worst.map(shown).T
    numbers = {name: str(place + 1) for place, name in enumerate(table.columns)}
    legend = "\n".join(f"{number:>2}  {name}" for name, number in numbers.items())
    body = table.rename(columns=numbers).to_string()
    note = "difference / what is allowed, median of the tables; * is not kept"
    return f"{note}\n\n{body}\n\n{legend}"
