"""The form of Table 5.4: the rate is assumed to be one half, whatever it is.

Pictures and network are those of ``backdoor-mnist``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from skrobust.benchmarks._poisoned import (
    POISON_VALUES,
    accuracy_table,
    measure_poisoned,
    split_poisoned,
)
from skrobust.benchmarks._results import Cell, known
from skrobust.benchmarks._targets import TABLE_5_4
from skrobust.benchmarks.backdoor_mnist import SETTINGS

VALUES = POISON_VALUES
SHOWN = ["PRL-AT", "default"]
ASSUMED = 0.5


def cells(
    n_seeds: int,
    sets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
) -> list[Cell]:
    """List what is to be measured, seed by seed."""
    return [
        Cell(name, method, setting, seed)
        for seed in range(n_seeds)
        for name in known("set", sets, ["mnist"])
        for setting in known("setting", settings, SETTINGS)
        for method in known("method", methods, SHOWN)
    ]


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one classifier that is told one half and test it with and without the trigger."""
    trigger, rate = cell.setting.split()
    data = split_poisoned(cell.set, trigger, float(rate), cell.seed)
    return measure_poisoned(data, cell.set, cell.method, ASSUMED, cell.seed, device)


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
