"""The form of Table 5.8: classifiers trained on poisoned pictures, sized for a CPU.

12,000 training pictures of MNIST (or Fashion-MNIST, at 25 %) of which a share carries a patch or a
faint pattern and the next class's label; a small convolutional network for 20 epochs, or, with
``--sets "mnist resnet32"``, the 32-layer network for 13. ``--picture`` draws Figure 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._poisoned import (
    ALTERNATIVES,
    METHODS,
    ON_REQUEST,
    POISON_VALUES,
    SETS,
    TRIGGERS,
    measure_cell,
    render_poisoned,
    split_poisoned,
)
from benchmarks.thesis._targets import TABLE_5_8

VALUES = POISON_VALUES
measure = measure_cell
RATES = (0.15, 0.25, 0.35, 0.45)
SETTINGS = [f"{trigger} {rate}" for trigger in TRIGGERS for rate in RATES]
FASHION = [f"{trigger} 0.25" for trigger in TRIGGERS]
MORE_SEEDS = ("Standard", "AT", "PRL-AT", "default")
MORE_SETS = [name for name in ON_REQUEST if name.startswith("mnist")]
GRID = Grid(SETS, SETTINGS, METHODS, more_sets=MORE_SETS, more_methods=ALTERNATIVES)


def cells(
    n_seeds: int,
    sets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
) -> list[Cell]:
    """List what is to be measured, seed by seed; later seeds for the chief methods only."""
    return [
        cell
        for cell in GRID(n_seeds, sets, methods, settings)
        if (cell.set != "fashion-mnist" or cell.setting in FASHION)
        and (cell.seed == 0 or methods is not None or cell.method in MORE_SEEDS)
    ]


def render(frame: pd.DataFrame) -> str:
    """Clean and poison accuracy by setting and method, row AUROC, and the thesis's accuracies."""
    return render_poisoned(frame, TABLE_5_8, "MNIST with ResNet-32, 100 epochs")


def draw(device: str = "cpu"):
    """Draw clean and poisoned pictures (Figure 5.2); returns a matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.2), layout="constrained")
    clean = split_poisoned("mnist", "patch", 0.0, 0)
    rows = [("clean", clean.X_test)]
    rows += [(name, trigger(clean.X_test)) for name, trigger in TRIGGERS.items()]
    chosen = [int(np.flatnonzero(clean.y_test == label)[0]) for label in range(6)]
    axes = figure.subplots(len(rows), len(chosen), squeeze=False)
    for line, (name, pictures) in zip(axes, rows, strict=True):
        for axis, i in zip(line, chosen, strict=True):
            axis.imshow(pictures[i, 0], cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            label = clean.y_test[i]
            given = label if name == "clean" else (label + 1) % 10
            axis.set_title(f"{name}: labelled {given}", fontsize=8)
    return figure
