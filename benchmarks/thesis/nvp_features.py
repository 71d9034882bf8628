"""The form of Table 3.2: flows on image features, uniform and clustered training anomalies.

The thesis has VGG-19 features of CIFAR-10, which are not published; these are ResNet-18 features of
three of its classes and of two digits (ADBench). PCA to 128 components is fitted on the training
rows, of which 10 % are anomalies: from all other classes (-u) or from one other class (-c). The
test is clean: 1,000 normal pictures and anomalies of all other classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._detectors import make_detector
from benchmarks.thesis._features import CLUSTER_OF, N_COMPONENTS, contaminate, measure_features
from benchmarks.thesis._odds import shared_means
from benchmarks.thesis.nvp_odds import METHODS
from skrobust import RobustRealNVPDetector
from skrobust.metrics import average_rank

VALUES = ["auc", "n_train", "n_test"]
SETTING = "rate 0.1"
RATE = 0.1
KINDS = {"u": "uniform", "c": "clustered"}
SETS = [f"{name}-{kind}" for kind in KINDS for name in CLUSTER_OF]
FLOWS = ["RobustRealNVP", "TrimRealNVP", "RealNVP", "default"]  # measured on every set
PEERS = ["IForest", "OCSVM", "LOF", "KNN", "MCD", "AE"]


cells = Grid(SETS, [SETTING], [*METHODS, *PEERS])


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one detector on contaminated features and score the clean test."""

    def build():
        if cell.method in METHODS:
            common: Any = {"random_state": cell.seed, "device": device}
            return RobustRealNVPDetector(RATE, **common, **METHODS[cell.method])
        return make_detector(cell.method, RATE, cell.seed, N_COMPONENTS, device)

    name, kind = cell.set.rsplit("-", 1)
    return measure_features(build, *contaminate(name, kind, RATE, cell.seed), cell.seed)


def render(frame: pd.DataFrame) -> str:
    """Tables of mean AUC by set and method: flows, which have more sets and seeds, then all."""
    if frame.empty:
        return "nothing measured yet"
    parts = []
    for title, methods in (("Flows", FLOWS), ("Beside other methods", [*METHODS, *PEERS])):
        table = _table(frame, methods)
        if not table.empty:
            parts.append(f"{title}\n\n{table.round(3).to_string(na_rep='')}")
    title = (
        "Test AUC, 10 % anomalies in training. Only sets and seeds that all methods of a table "
        "have,\nfor uniform and for clustered anomalies"
    )
    thesis = "thesis, CIFAR-10 with VGG-19: Robust .779 (u) .676 (c), Real .767 (u) .663 (c)"
    return "\n\n".join([title, *parts, thesis])


def _table(frame: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Mean AUC over shared seeds; means over shared sets and average ranks, by kind."""
    parts = [pd.DataFrame()]
    for kind, what in KINDS.items():
        is_of_kind = frame["set"].str.endswith(f"-{kind}")
        means, seeds = shared_means(frame[is_of_kind & frame["method"].isin(methods)])
        if means.empty:
            continue
        means = means.reindex([name for name in SETS if name in means.index])
        shown = means.assign(seeds=seeds.astype(str))
        averages = {
            f"mean of {len(means)} {what}": means.mean(),
            f"average rank, {what}": average_rank(means),
        }
        parts.append(pd.concat([shown, pd.DataFrame(averages).T]))
    table = pd.concat(parts)
    return table[[name for name in [*methods, "seeds"] if name in table]]
