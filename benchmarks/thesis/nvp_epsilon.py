"""Figures 3.5 and 3.6: what a wrong rate costs, and what a high rate does, on image features.

Figure 3.5: 10 % of the training rows are anomalies, uniform or clustered, and the flow is told
another rate. Figure 3.6: uniform anomalies are 10 to 40 % of 390 training rows (as many as the
published anomalies allow), and the flow is told the truth.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from benchmarks._results import Cell, known
from benchmarks.thesis._features import CLUSTER_OF, contaminate, measure_features
from benchmarks.thesis.nvp_odds import METHODS
from skrobust import RobustRealNVPDetector

VALUES = ["auc", "n_train", "n_test"]
TRUE = 0.1
ASSUMED = {f"assumed {rate:g}": rate for rate in (0.05, 0.075, 0.1, 0.125, 0.15, 0.2)}
RATES = {f"true {rate:g}": rate for rate in (0.1, 0.2, 0.3, 0.4)}
N_TRAIN = 390
SHOWN = ["RobustRealNVP", "RealNVP", "default"]
DEFAULT = "default"  # may lack some sets


def cells(
    n_seeds: int,
    sets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
) -> list[Cell]:
    """List what is to be measured, seed by seed."""
    chosen = known("setting", settings, [*ASSUMED, *RATES])
    return [
        Cell(f"{name}-{kind}", method, setting, seed)
        for seed in range(n_seeds)
        for name in known("set", sets, list(CLUSTER_OF))
        for kind in "uc"
        for setting in chosen
        for method in known("method", methods, SHOWN)
        if (setting in ASSUMED and method != "RealNVP") or (setting in RATES and kind == "u")
    ]


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one flow and score the clean test."""
    name, kind = cell.set.rsplit("-", 1)
    if cell.setting in ASSUMED:
        told, data = ASSUMED[cell.setting], contaminate(name, kind, TRUE, cell.seed)
    else:
        told = RATES[cell.setting]
        data = contaminate(name, kind, told, cell.seed, N_TRAIN)
    common: Any = {"random_state": cell.seed, "device": device}

    def build():
        return RobustRealNVPDetector(told, **common, **METHODS[cell.method])

    return measure_features(build, *data, cell.seed)


def render(frame: pd.DataFrame) -> str:
    """Mean AUC for either figure: the chapter's flows, then all on the sets that all have."""
    if frame.empty:
        return "nothing measured yet"
    frame = frame.assign(kind=frame["set"].str[-1].map({"u": "uniform", "c": "clustered"}))
    is_default = frame["method"] == DEFAULT
    parts = []
    for title, settings in (
        (f"Figure 3.5: mean AUC by the rate that is assumed, the truth being {TRUE}", ASSUMED),
        ("Figure 3.6: mean AUC by the true rate, uniform anomalies", RATES),
    ):
        chosen = frame["setting"].isin(settings)
        parts.append(_part(f"{title}; the chapter's flows", frame[chosen & ~is_default], settings))
        if (chosen & is_default).any():
            also = f"{title}; with the default, on the sets that all have"
            parts.append(_part(also, frame[chosen], settings))
    return "\n\n".join(part for part in parts if part)


def _part(title: str, frame: pd.DataFrame, settings: Collection[str]) -> str:
    table = _shared_means(frame)
    if table.empty:
        return ""
    table = table[[name for name in [*settings, "sets", "seeds"] if name in table]]
    return f"{title}\n\n{table.to_string(na_rep='', float_format='{:.3f}'.format)}"


def _shared_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean AUC by kind and method, over the sets and seeds that no method and no rate lacks."""
    keys = ["kind", "set", "seed"]
    cells = frame.pivot_table(index=keys, columns=["method", "setting"], values="auc").dropna()
    rows = frame[pd.MultiIndex.from_frame(frame[keys]).isin(cells.index)]
    by_set = rows.groupby(["kind", "method", "setting", "set"])["auc"].mean()
    table = by_set.groupby(["kind", "method", "setting"]).mean().unstack("setting")
    counts = rows.groupby(["kind", "method"])[["set", "seed"]].nunique()
    return table.assign(sets=counts["set"], seeds=counts["seed"])
