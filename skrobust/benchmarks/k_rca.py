"""Figure 2.4: RCA with two to seven networks, which hand their selections to one another.

The splits are those of ``rca-odds``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from skrobust.benchmarks._odds import ODDS_VALUES
from skrobust.benchmarks._results import Cell, grid, known
from skrobust.benchmarks._targets import TABLE_2_1
from skrobust.benchmarks._variants import SETTING, auc_table, measure_variant

VALUES = ODDS_VALUES
METHODS: dict[str, dict] = {f"{k} networks": {"n_networks": k, "margin": 0.0} for k in range(2, 8)}


def cells(
    n_seeds: int,
    sets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
) -> list[Cell]:
    """List what is to be measured, seed by seed."""
    return grid(
        n_seeds,
        known("set", sets, list(TABLE_2_1)),
        known("setting", settings, [SETTING]),
        known("method", methods, list(METHODS)),
    )


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one variant and score the test rows."""
    return measure_variant(cell, METHODS[cell.method], device)


def render(frame: pd.DataFrame) -> str:
    """Mean AUC by set."""
    return auc_table(frame, METHODS)
