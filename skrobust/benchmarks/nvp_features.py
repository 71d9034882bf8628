"""The form of Table 3.2: flows on image features, uniform and clustered training anomalies.

The thesis has VGG-19 features of CIFAR-10, which are not published; these are ResNet-18 features of
three of its classes and of two digits (ADBench). PCA to 128 components is fitted on the training
rows, of which 10 % are anomalies: from all other classes (-u) or from one other class (-c). The
test is clean: 1,000 normal pictures and anomalies of all other classes.
"""

from __future__ import annotations

import pandas as pd

from skrobust import RobustRealNVPDetector
from skrobust.benchmarks._detectors import make_detector
from skrobust.benchmarks._features import CLUSTER_OF, N_COMPONENTS, contaminate, measure_features
from skrobust.benchmarks._results import Cell, Grid
from skrobust.benchmarks.nvp_odds import METHODS
from skrobust.metrics import average_rank

VALUES = ["auc", "n_train", "n_test"]
SETTING = "rate 0.1"
RATE = 0.1
SETS = [f"{name}-{kind}" for kind in "uc" for name in CLUSTER_OF]
PEERS = ["IForest", "OCSVM", "LOF", "KNN", "MCD", "AE"]


cells = Grid(SETS, [SETTING], [*METHODS, *PEERS])


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one detector on contaminated features and score the clean test."""

    def build():
        if cell.method in METHODS:
            common = {"random_state": cell.seed, "device": device}
            return RobustRealNVPDetector(RATE, **common, **METHODS[cell.method])
        return make_detector(cell.method, RATE, cell.seed, N_COMPONENTS, device)

    name, kind = cell.set.rsplit("-", 1)
    return measure_features(build, *contaminate(name, kind, RATE, cell.seed), cell.seed)


def render(frame: pd.DataFrame) -> str:
    """Table of mean AUC by set and method."""
    if frame.empty:
        return "nothing measured yet"
    means = frame.pivot_table(index="set", columns="method", values="auc")
    means = means.reindex([name for name in SETS if name in means.index])
    means = means[[name for name in [*METHODS, *PEERS] if name in means]]
    shown = means.copy()
    for kind, what in (("u", "uniform"), ("c", "clustered")):
        shown.loc[f"mean, {what}"] = means[means.index.str.endswith(kind)].mean()
    shown.loc["average rank"] = average_rank(means)
    seeds = frame.groupby(["set", "method"])["seed"].nunique()
    title = f"Test AUC, 10 % anomalies in training ({seeds.min()} to {seeds.max()} seeds)"
    thesis = "thesis, CIFAR-10 with VGG-19: Robust .779 (u) .676 (c), Real .767 (u) .663 (c)"
    return f"{title}\n\n{shown.round(3).to_string()}\n\n{thesis}"
