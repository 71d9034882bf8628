"""The form of Table 4.1: R² of regressors trained on corrupted targets.

Three tables with one target and the lakes of LAGOS-NE with four, in logarithms; CelebA's landmarks
where they are supplied (``--sets celeba``). The test is clean. R² of 1 is a perfect fit, 0 that of
the mean.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._regression import (
    ALTERNATIVES,
    CLEAN,
    METHODS,
    ONLY_CLEAN,
    REGRESSION_VALUES,
    measure_regressor,
    split_regression,
)
from benchmarks.thesis._supplied import read_celeba
from skrobust.datasets import fetch_lagos, fetch_regression

VALUES = REGRESSION_VALUES
SINGLE = ("linadv", "signflip", "uninoise", "maximum")
SEVERAL = ("linadv", "signflip", "uninoise", "pairflip")
SETS = {"kin8nm": SINGLE, "concrete": SINGLE, "power_plant": SINGLE, "lagos": SEVERAL}
SUPPLIED = {"celeba": SEVERAL}
RATES = (0.1, 0.2, 0.3, 0.4)
KINDS = (*SINGLE, "pairflip", "mixture")
SETTINGS = [f"{CLEAN} 0", *(f"{kind} {rate}" for kind in KINDS for rate in RATES)]
ON_CLEAN = ("Standard", "default")


def _is_of_use(cell: Cell) -> bool:
    kind = cell.setting.split()[0]
    if kind == CLEAN:
        return cell.method in ON_CLEAN
    return kind == "mixture" or kind in {**SETS, **SUPPLIED}[cell.set]


cells = Grid(
    SETS, SETTINGS, METHODS, more_sets=SUPPLIED, more_methods=ALTERNATIVES, keep=_is_of_use
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one regressor on corrupted targets and test it on clean ones."""
    if cell.set == "celeba":
        X, y = read_celeba()
    elif cell.set == "lagos":
        X, y = fetch_lagos(return_X_y=True)
        y = np.log(y + 1e-3)
    else:
        X, y = fetch_regression(cell.set, return_X_y=True)
    kind, rate = cell.setting.split()
    data = split_regression(X, y, kind, float(rate), cell.seed, {**SETS, **SUPPLIED}[cell.set])
    return measure_regressor(data, cell.method, float(rate), cell.seed, device)


def render(frame: pd.DataFrame) -> str:
    """R² by corruption, beside clean training, and how well wrong rows are told apart."""
    if frame.empty:
        return "nothing measured yet"
    r2, clean, scores = _tables(frame)
    parts = [
        f"R² on a clean test, mean of at most {frame['seed'].nunique()} seeds\n\n"
        f"{r2.round(3).to_string(na_rep='')}",
        f"R² of clean training\n\n{clean.round(3).to_string()}",
        f"Over sets and corruptions\n\n{_summary(r2, clean['Standard']).to_string(na_rep='')}",
        f"AUROC of the row scores for the planted mask, by rate\n\n{scores.to_string(na_rep='')}",
    ]
    return "\n\n".join(parts)


def _tables(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """R² of corrupted and of clean training by method; row AUROC by rate and method."""
    parts = frame["setting"].str.split(expand=True)
    frame = frame.assign(kind=parts[0], rate=parts[1].astype(float))
    measured = set(frame["method"])
    order = [name for name in [*METHODS, *ALTERNATIVES] if name in measured]
    is_clean = frame["kind"] == CLEAN
    clean = frame[is_clean].pivot_table(index="set", columns="method", values="r2")
    keys = ["set", "kind", "rate"]
    r2 = frame[~is_clean].pivot_table(index=keys, columns="method", values="r2")
    scores = frame[~is_clean].pivot_table(index="rate", columns="method", values="row_auroc")
    return (
        r2.reindex(columns=order),
        clean.reindex(columns=list(ON_CLEAN)),
        scores.reindex(columns=[name for name in order if name in scores]).round(3),
    )


def _summary(r2: pd.DataFrame, clean: pd.Series) -> pd.DataFrame:
    """Counts over the cells in which both a method and what it is compared with are measured."""
    rate = r2.index.get_level_values("rate")
    gap = r2.rsub(pd.Series(r2.index.get_level_values("set").map(clean), r2.index), axis=0)
    lines = {}
    for name in r2:
        low, at_30 = gap.loc[rate <= 0.2, name].dropna(), gap.loc[rate == 0.3, name]
        line = {
            "mean R²": r2[name].mean(),
            "within .05 of clean, 10-20 %": (low <= 0.05).mean(),
            "median gap to clean, 30 %": at_30.median(),
        }
        if "Standard" in r2:
            below = (r2["Standard"] - r2[name]).dropna()
            line["cells > .01 below Standard"] = (below > 0.01).sum()
            line["worst below Standard"] = below.max()
        if ONLY_CLEAN in r2:
            lost = (r2[ONLY_CLEAN] - r2[name])[rate == 0.4].dropna()
            line["within .08 of the clean rows, 40 %"] = (lost <= 0.08).mean()
        lines[name] = {**line, "cells": r2[name].count()}
    return pd.DataFrame(lines).T.round(3)
