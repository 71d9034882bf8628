"""Figure 2.4: RCA with two to seven networks, which hand their selections to one another.

The splits are those of ``rca-odds``.
"""

from __future__ import annotations

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._odds import ODDS_VALUES
from benchmarks.thesis._targets import TABLE_2_1
from benchmarks.thesis._variants import SETTING, auc_table, measure_variant

VALUES = ODDS_VALUES
METHODS: dict[str, dict] = {f"{k} networks": {"n_networks": k, "margin": 0.0} for k in range(2, 8)}

cells = Grid(TABLE_2_1, [SETTING], METHODS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one variant and score the test rows."""
    return measure_variant(cell, METHODS[cell.method], device)


def render(frame: pd.DataFrame) -> str:
    """Mean AUC by set."""
    return auc_table(frame, METHODS)
