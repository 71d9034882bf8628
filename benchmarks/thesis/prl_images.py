"""The form of Table 4.2: accuracy of classifiers trained on wrong labels, on pictures.

20,000 training pictures of MNIST or Fashion-MNIST and a perceptron sized for a CPU; on CIFAR-10
(``--sets cifar10``, for a GPU; or cifar100, where that is supplied) the 9-layer network for 50
epochs. Labels are flipped to the next class (``pairflip``) or to any other (``symmetric``).
"""

from __future__ import annotations

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._labels import (
    ALTERNATIVES,
    LABEL_VALUES,
    METHODS,
    ON_GPU,
    SETS,
    measure_classifier,
    split_pictures,
)
from benchmarks.thesis._targets import TABLE_4_2

VALUES = LABEL_VALUES
RATES = {"symmetric": (0.3, 0.5, 0.7), "pairflip": (0.25, 0.35, 0.45)}
SETTINGS = [f"{kind} {rate}" for kind, rates in RATES.items() for rate in rates]
AGAINST = [("PRL(L)", "SPL"), ("Co-PRL(L)", "Co-teaching"), ("default", "SPL")]


cells = Grid(
    SETS,
    SETTINGS,
    METHODS,
    more_sets=ON_GPU,
    more_methods=ALTERNATIVES,
    # SEVER looks at the last layer of a perceptron
    keep=lambda cell: cell.method != "SEVER" or cell.set in SETS,
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one classifier on wrong labels and test it on right ones."""
    kind, rate = cell.setting.split()
    data = split_pictures(cell.set, kind, float(rate), cell.seed)
    return measure_classifier(data, cell.set, cell.method, float(rate), cell.seed, device)


def render(frame: pd.DataFrame) -> str:
    """Accuracy and row AUROC by setting and method, beside the thesis's accuracy."""
    if frame.empty:
        return "nothing measured yet"
    order = [name for name in [*METHODS, *ALTERNATIVES] if name in set(frame["method"])]
    keys = ["set", "setting"]
    parts = []
    accuracy = frame.pivot_table(index=keys, columns="method", values="accuracy")[order]
    auroc = frame.pivot_table(index=keys, columns="method", values="row_auroc")[order]
    for table, title in ((accuracy, "Test accuracy in %"), (auroc, "AUROC of the row scores")):
        seeds = frame["seed"].nunique()
        shown = table.round(3).to_string(na_rep="")
        parts.append(f"{title}, mean of at most {seeds} seeds\n\n{shown}")
    gains = {f"{a} - {b}": accuracy[a] - accuracy[b] for a, b in AGAINST if {a, b} <= set(accuracy)}
    if gains:
        parts.append(f"In points of accuracy\n\n{pd.DataFrame(gains).round(2).to_string()}")
    thesis = pd.DataFrame(TABLE_4_2).T.to_string()
    parts.append(f"Thesis, accuracy on CIFAR-10 with the 9-layer network\n\n{thesis}")
    return "\n\n".join(parts)
