"""Figure 2.3: variational autoencoders, trained on all rows and as RCA trains them (RCVA).

The splits are those of ``rca-odds``. Both score with the mean over draws of the code.
"""

from __future__ import annotations

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._odds import ODDS_VALUES
from benchmarks.thesis._targets import TABLE_2_1
from benchmarks.thesis._variants import SETTING, auc_table, measure_variant

VALUES = ODDS_VALUES
METHODS: dict[str, dict] = {
    "RCVA": {"base": "vae", "margin": 0.0},
    "VAE": {"base": "vae", "n_networks": 1, "select": False},
}

cells = Grid(TABLE_2_1, [SETTING], METHODS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one variant and score the test rows."""
    return measure_variant(cell, METHODS[cell.method], device)


def render(frame: pd.DataFrame) -> str:
    """Mean AUC by set."""
    return auc_table(frame, METHODS)
