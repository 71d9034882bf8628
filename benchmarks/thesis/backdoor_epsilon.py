"""The form of Table 5.4: the rate is assumed to be one half, whatever it is.

Pictures and network are those of ``backdoor-mnist``.
"""

from __future__ import annotations

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._poisoned import (
    POISON_VALUES,
    accuracy_table,
    measure_cell,
)
from benchmarks.thesis._targets import TABLE_5_4
from benchmarks.thesis.backdoor_mnist import SETTINGS

VALUES = POISON_VALUES
SHOWN = ["PRL-AT", "default"]
ASSUMED = 0.5

cells = Grid(["mnist"], SETTINGS, SHOWN)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one classifier that is told one half and test it with and without the trigger."""
    return measure_cell(cell, device, told=ASSUMED)


def render(frame: pd.DataFrame) -> str:
    """Clean and poison accuracy by true rate, beside the thesis's."""
    if frame.empty:
        return "nothing measured yet"
    thesis = pd.DataFrame(TABLE_5_4).to_string()
    return (
        f"Accuracy in % on clean and on triggered test pictures, told {ASSUMED}, mean of the last "
        f"ten epochs\n\n{accuracy_table(frame, SHOWN)}\n\n"
        f"Thesis, PRL-AT on CIFAR-10, clean/poison\n\n{thesis}"
    )
