"""The form of Table 4.4: what is lost when the rate is wrong.

Pictures, networks and corruption are those of ``prl-images``; the methods are told the true rate
and up to ten points less or more.
"""

from __future__ import annotations

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._labels import (
    LABEL_VALUES,
    METHODS,
    ON_GPU,
    SETS,
    measure_classifier,
    split_pictures,
)
from benchmarks.thesis._targets import TABLE_4_4

VALUES = LABEL_VALUES
ADDED = (-0.1, -0.05, 0.0, 0.05, 0.1)
SETTINGS = [f"{corruption} {added:+g}" for corruption in TABLE_4_4 for added in ADDED]
SHOWN = ["PRL(L)", "Co-PRL(L)", "default"]


cells = Grid(SETS, SETTINGS, SHOWN, more_sets=ON_GPU, more_methods=METHODS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one classifier that is told a wrong rate and test it on right labels."""
    kind, rate, added = cell.setting.split()
    data = split_pictures(cell.set, kind, float(rate), cell.seed)
    told = float(rate) + float(added)
    return measure_classifier(data, cell.set, cell.method, told, cell.seed, device)


def render(frame: pd.DataFrame) -> str:
    """Accuracy by what was added to the rate, beside the thesis's."""
    if frame.empty:
        return "nothing measured yet"
    parts = frame["setting"].str.rsplit(" ", n=1, expand=True)
    frame = frame.assign(corruption=parts[0], added=parts[1].astype(float))
    keys = ["set", "corruption", "method"]
    table = frame.pivot_table(index=keys, columns="added", values="accuracy").round(2)
    thesis = pd.DataFrame(TABLE_4_4).T.to_string()
    return (
        f"Test accuracy in % by what is added to the rate, {frame['seed'].nunique()} seeds at most"
        f"\n\n{table.to_string(na_rep='')}\n\nThesis, Co-PRL(L) on CIFAR-10\n\n{thesis}"
    )
