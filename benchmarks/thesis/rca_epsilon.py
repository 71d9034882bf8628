"""Table 2.3: RCA when it is told a rate that is too high or too low.

All else is as in ``rca-odds``. A rate that would be negative is 0: RCA drops nothing then.
"""

from __future__ import annotations

import pandas as pd
from sklearn.preprocessing import MinMaxScaler

from benchmarks._results import Cell, Grid
from benchmarks.thesis._detectors import OURS, make_detector
from benchmarks.thesis._odds import ODDS_VALUES, measure_detector
from benchmarks.thesis._targets import TABLE_2_1, TABLE_2_3

VALUES = ODDS_VALUES
SETTINGS = {f"rate {shift:+g}": shift for shift in (-0.1, -0.05, 0.0, 0.05, 0.1)}
METHODS = ["RCA"]


cells = Grid(
    TABLE_2_1,
    SETTINGS,
    METHODS,
    more_methods=[name for name in OURS if name.startswith("RCA")],
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one detector that is told a shifted rate and score the test rows."""
    return measure_detector(
        cell,
        lambda rate, width: make_detector(cell.method, rate, cell.seed, width, device),
        lambda rate: max(rate + SETTINGS[cell.setting], 0.0),
        MinMaxScaler,
    )


def render(frame: pd.DataFrame) -> str:
    """Mean AUC by set and shift, beside the thesis's."""
    if frame.empty:
        return "nothing measured yet"
    frame = frame[frame["method"] == "RCA"]
    table = frame.pivot_table(index="set", columns="setting", values="auc")
    table = table[[name for name in SETTINGS if name in table]]
    thesis = pd.DataFrame(TABLE_2_3).T.reindex(table.index)[list(table)]
    is_complete = table.notna().all(axis=1)
    table = pd.concat([table, thesis.add_prefix("thesis ")], axis=1)
    table.loc["mean"] = table[is_complete].mean()
    return f"Test AUC, up to {frame['seed'].nunique()} seeds\n\n{table.round(3).to_string()}"
