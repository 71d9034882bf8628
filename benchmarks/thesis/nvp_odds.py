"""Table 3.1 and Figure 3.4: flows on the ODDS sets, trained on contaminated rows.

Splits, seeds and rates are those of ``rca-odds``, whose results for other methods stand beside
these. The chapter's systems scale to [0, 1], have the published masks and train for 20 epochs. The
library's default also estimates the rate (``rate auto``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._detectors import PEERS
from benchmarks.thesis._odds import ODDS_VALUES, gain_table, mean_table, measure_detector
from benchmarks.thesis._targets import TABLE_2_1, TABLE_3_1
from skrobust import RobustRealNVPDetector
from skrobust.metrics import win_draw_loss

VALUES = ODDS_VALUES
SETTING, AUTO = "rate true", "rate auto"
MORE_SETS = [name for name in TABLE_2_1 if name not in TABLE_3_1]
OTHERS = Path(__file__).parent / "results" / "rca-odds.csv"

_CHAPTER = {
    "base": "normal",
    "margin": 0.0,
    "mask": "official",
    "preprocessing": "minmax",
    "lipschitz": 1.5,
    "max_epochs": 20,
    "min_steps": None,
    "early_stopping": False,
}

# Parameters of RobustRealNVPDetector, the default as it was when these were measured.
_DEFAULT: dict[str, Any] = {"margin": 1.0, "base": "normal"}
METHODS: dict[str, dict] = {
    "RobustRealNVP": _CHAPTER,
    "TrimRealNVP": {**_CHAPTER, "lipschitz": None},
    "RealNVP": {**_CHAPTER, "trim": False, "lipschitz": None},
    "constraint only": {**_CHAPTER, "trim": False},
    "default": _DEFAULT,
    "default unconstrained": {**_DEFAULT, "lipschitz": None},
    "default plain": {**_DEFAULT, "trim": False, "lipschitz": None},
}

AGAINST = [
    ("RobustRealNVP", "RealNVP"),
    ("TrimRealNVP", "RealNVP"),
    ("default", "default plain"),
    ("default unconstrained", "default plain"),
]

_CHANGES: dict[str, dict] = {
    "minmax": {"preprocessing": "minmax"},
    "margin 0": {"margin": 0.0},
    "margin 2": {"margin": 2.0},
    "limit 0.5": {"lipschitz": 0.5},
    "limit 1": {"lipschitz": 1.0},
    "limit 1.5": {"lipschitz": 1.5},
    "2000 steps": {"min_steps": 2000},
    "1000 steps": {"min_steps": 1000},
    "500 steps": {"min_steps": 500},
    "early stopping": {"early_stopping": True},
}
# Measured only when asked for by name.
ALTERNATIVES = {name: {**_DEFAULT, **change} for name, change in _CHANGES.items()}
_PARAMETERS = METHODS | ALTERNATIVES


cells = Grid(
    TABLE_3_1,
    [SETTING, AUTO],
    METHODS,
    more_sets=MORE_SETS,
    more_methods=ALTERNATIVES,
    keep=lambda cell: cell.setting == SETTING or cell.method == "default",
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one flow on the contaminated part and score the other."""
    common: Any = {"random_state": cell.seed, "device": device}

    def build(rate, width):
        return RobustRealNVPDetector(rate, **common, **_PARAMETERS[cell.method])

    return measure_detector(cell, build, float if cell.setting == SETTING else lambda rate: "auto")


def render(frame: pd.DataFrame) -> str:
    """Table of mean AUC beside the thesis's and other methods'; effects set by set."""
    if frame.empty:
        return "nothing measured yet"
    frame = frame[(frame["setting"] == SETTING) & frame["set"].isin(TABLE_3_1)]
    others = pd.read_csv(OTHERS) if OTHERS.exists() else frame.iloc[:0]
    others = others[others["method"].isin(PEERS) & others["set"].isin(TABLE_3_1)]
    thesis = {
        f"thesis {name}": {key: figures[name] for key, figures in TABLE_3_1.items()}
        for name in ["RobustRealNVP", "RealNVP"]
    }
    means, text = mean_table(frame, list(METHODS), thesis)
    parts = [f"Test AUC, {SETTING}\n\n{text}"]
    _, text = mean_table(pd.concat([frame, others]), ["RobustRealNVP", "default", *PEERS], thesis)
    parts.append(f"Beside other methods\n\n{text}")
    for name, base in AGAINST:
        if {name, base} <= set(means):
            counts = " ".join(map(str, win_draw_loss(means, name).loc[base]))
            parts.append(f"{name} against {base}: {counts} (sets won, drawn, lost)")
    cells = frame.pivot_table(index=["set", "seed"], columns="method", values="auc")
    base_of = {
        "RobustRealNVP": "TrimRealNVP",
        "constraint only": "RealNVP",
        "TrimRealNVP": "RealNVP",
        "default": "default unconstrained",
        "default unconstrained": "default plain",
        **dict.fromkeys(ALTERNATIVES, "default"),
    }
    effects = gain_table(cells, base_of, list(TABLE_3_1))
    return "\n\n".join([*parts, f"Effects\n\n{effects}"] if effects else parts)
