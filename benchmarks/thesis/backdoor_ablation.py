"""The form of Tables 5.6 and 5.7: the rule for wrong labels in one part of the step only.

"Inner only" decides which rows are perturbed and updates on all; "outer only" perturbs all and
decides which rows to update on. Pictures and network are those of ``backdoor-mnist``, whose X-AT
stand beside these.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks._results import Grid
from benchmarks.thesis._poisoned import (
    PARTS,
    POISON_VALUES,
    accuracy_table,
    measure_cell,
)
from benchmarks.thesis.backdoor_mnist import SETTINGS

VALUES = POISON_VALUES
measure = measure_cell
BOTH = Path(__file__).parent / "results" / "backdoor-mnist.csv"

cells = Grid(["mnist"], SETTINGS, PARTS)


def render(frame: pd.DataFrame) -> str:
    """Clean and poison accuracy by setting and part."""
    if frame.empty:
        return "nothing measured yet"
    order = list(PARTS)
    if BOTH.exists():
        both = pd.read_csv(BOTH)
        names = ["PRL-AT", "SPL-AT", "Bootstrap-AT"]
        both = both[both["method"].isin(names) & both["set"].isin(frame["set"])]
        frame, order = pd.concat([frame, both]), [*names, *order]
    return (
        "Accuracy in % on clean and on triggered test pictures, mean of the last ten epochs\n\n"
        + accuracy_table(frame, order)
    )
