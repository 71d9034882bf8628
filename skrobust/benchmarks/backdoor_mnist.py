"""The form of Table 5.8: classifiers trained on poisoned pictures, sized for a CPU.

12,000 training pictures of MNIST (or Fashion-MNIST, at 25 %) of which a share carries a patch or a
faint pattern and the next class's label; a small convolutional network for 20 epochs, or, with
``--sets "mnist resnet32"``, the 32-layer network for 13. ``--picture`` draws Figure 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skrobust.benchmarks._poisoned import (
    ALTERNATIVES,
    METHODS,
    ON_REQUEST,
    POISON_VALUES,
    SETS,
    TRIGGERS,
    accuracy_table,
    measure_poisoned,
    split_poisoned,
)
from skrobust.benchmarks._results import Cell, known
from skrobust.benchmarks._targets import TABLE_5_8

VALUES = POISON_VALUES
RATES = (0.15, 0.25, 0.35, 0.45)
SETTINGS = [f"{trigger} {rate}" for trigger in TRIGGERS for rate in RATES]
FASHION = [f"{trigger} 0.25" for trigger in TRIGGERS]
MORE_SEEDS = ("Standard", "AT", "PRL-AT", "default")
LARGE = [name for name in ON_REQUEST if name.startswith("mnist")]


def cells(
    n_seeds: int,
    sets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
) -> list[Cell]:
    """List what is to be measured, seed by seed; later seeds for the chief methods only."""
    return [
        Cell(name, method, setting, seed)
        for seed in range(n_seeds)
        for name in known("set", sets, list(SETS), LARGE)
        for setting in known("setting", settings, SETTINGS)
        for method in known("method", methods, list(METHODS), list(ALTERNATIVES))
        if (name != "fashion-mnist" or setting in FASHION)
        and (seed == 0 or methods is not None or method in MORE_SEEDS)
    ]


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one classifier on poisoned pictures and test it with and without the trigger."""
    trigger, rate = cell.setting.split()
    data = split_poisoned(cell.set, trigger, float(rate), cell.seed)
    return measure_poisoned(data, cell.set, cell.method, float(rate), cell.seed, device)


def render(frame: pd.DataFrame) -> str:
    """Clean and poison accuracy by setting and method, row AUROC, and the thesis's accuracies."""
    if frame.empty:
        return "nothing measured yet"
    order = [*METHODS, *ALTERNATIVES]
    seeds = frame.groupby(["set", "method"])["seed"].nunique().unstack("method")
    seeds = seeds[[name for name in order if name in seeds]].to_string(na_rep="")
    parts = [
        "Accuracy in % on clean and on triggered test pictures, mean of the last ten epochs\n\n"
        + accuracy_table(frame, order)
    ]
    for value, title in (
        ("last_poison", "Accuracy in % on triggered pictures after the last epoch"),
        ("success", "Triggered pictures in % that get the attacker's label"),
        ("row_auroc", "AUROC of the row scores"),
        ("kept_poisoned", "Share of poisoned rows among those kept in the last epoch"),
    ):
        table = frame.pivot_table(index=["set", "setting"], columns="method", values=value)
        table = table[[name for name in order if name in table]].round(3)
        parts.append(f"{title}\n\n{table.to_string(na_rep='')}")
    thesis = pd.DataFrame(TABLE_5_8).T.to_string()
    parts.append(f"Thesis, MNIST with ResNet-32, 100 epochs, clean/poison\n\n{thesis}")
    return "\n\n".join([*parts, f"Seeds\n\n{seeds}"])


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
