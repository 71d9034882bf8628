"""The form of Table 5.3: few labels, poisoned, and many pictures without.

A fifth of the training pictures have labels, of which a share is poisoned; half as many as the
training set without labels come on top, clean. The supervised methods see those with labels only.
Fashion-MNIST is sized for a CPU (2,400 and 6,000 pictures, 50 epochs of pre-training); CIFAR-10
(7,600 and 19,000, 500 epochs), for a GPU, is measured when asked for by ``--sets "cifar10 few"``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._poisoned import (
    METHODS,
    POISON_VALUES,
    SEMI,
    TRIGGERS,
    measure_cell,
    measure_semi,
    render_poisoned,
)
from benchmarks.thesis._targets import TABLE_5_3
from benchmarks.thesis.backdoor_mnist import RATES, SETTINGS

VALUES = POISON_VALUES
SUPERVISED = ["Standard", "PRL", "PRL-AT", "default"]
MORE_SETS = ["cifar10 few"]
ALTERNATIVES = list(METHODS)
MORE_SEEDS = [f"{trigger} {RATES[1]}" for trigger in TRIGGERS]
GRID = Grid(
    ["fashion-mnist few"],
    SETTINGS,
    [*SUPERVISED, *SEMI],
    more_sets=MORE_SETS,
    more_methods=ALTERNATIVES,
)


def cells(
    n_seeds: int,
    sets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
) -> list[Cell]:
    """List what is to be measured, seed by seed; later seeds at a quarter of poison only."""
    return [
        cell
        for cell in GRID(n_seeds, sets, methods, settings)
        if cell.seed == 0 or settings is not None or cell.setting in MORE_SEEDS
    ]


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one classifier and test it with and without the trigger."""
    return (measure_semi if cell.method in SEMI else measure_cell)(cell, device)


def render(frame: pd.DataFrame) -> str:
    """Clean and poison accuracy by setting and method, row AUROC, and the thesis's accuracies."""
    return render_poisoned(frame, TABLE_5_3, "CIFAR-10, a fifth with labels, ResNet-32")
