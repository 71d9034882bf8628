"""What the benchmarks on the ODDS sets share: splits, one measurement, tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks._results import Cell
from benchmarks._seeding import contained_seeding
from skrobust.datasets import fetch_odds
from skrobust.metrics import average_rank

__all__ = [
    "ODDS_VALUES",
    "SMALL",
    "gain_table",
    "mean_table",
    "measure_detector",
    "shared_means",
    "split",
]

ODDS_VALUES = ["auc", "rate", "n_train", "n_test", "n_test_anomalies"]
# Sets of fewer than 4,000 rows
SMALL = [
    "vowels",
    "pima",
    "letter",
    "cardio",
    "arrhythmia",
    "breastw",
    "musk",
    "thyroid",
    "ionosphere",
    "glass",
]
ENOUGH = 0.9  # share of the sets that a method must be measured on to get an average


def split(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows 60/40, uniformly at random."""
    order = np.random.RandomState(seed).permutation(n_rows)
    n_train = int(0.6 * n_rows)
    return order[:n_train], order[n_train:]


def measure_detector(
    cell: Cell,
    build: Callable[[float, int], Any],
    told: Callable[[float], Any] = float,
    scale: Callable[[], Any] | None = None,
    most_rows: int | None = None,
    data: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, float]:
    """Train a detector on the contaminated part of a set and score the other.

    Parameters
    ----------
    cell : Cell
        Gives set and seed.
    build : callable
        Makes the detector from the rate it is told and the number of features.
    told : callable, optional
        Maps the true rate of the whole set to that rate, or to "auto"; the true one by default,
        as in the thesis.
    scale : callable, optional
        Makes a scaler, fitted on the training rows.
    most_rows : int, optional
        Train on the first so many.
    data : (array, array), optional
        Rows and which of them are anomalies; the ODDS set by default.
    """
    X, y = fetch_odds(cell.set, return_X_y=True) if data is None else data
    train, test = split(len(X), cell.seed)
    train = train[:most_rows]
    rate = told(float(np.mean(y)))
    rows, new = X[train], X[test]
    if scale is not None:
        scaler = scale().fit(rows)
        rows, new = scaler.transform(rows), scaler.transform(new)
    detector = build(rate, X.shape[1])
    with contained_seeding(cell.seed):
        scores = detector.fit(rows).decision_function(new)
    return {
        "auc": round(float(roc_auc_score(y[test], scores)), 6),
        "rate": round(detector.contamination_ if rate == "auto" else rate, 6),
        "n_train": len(train),
        "n_test": len(test),
        "n_test_anomalies": int(y[test].sum()),
    }


def shared_means(
    frame: pd.DataFrame, methods: Sequence[str] | None = None
) -> tuple[pd.DataFrame, pd.Series]:
    """Mean AUC by set and method over the same seeds.

    Parameters
    ----------
    frame : DataFrame
        Cells with ``auc``.
    methods : sequence of str, optional
        Only seeds that these have count; all methods by default. Another method is blank on a set
        where it lacks one of them.

    Returns
    -------
    means : DataFrame
        Sets by methods; sets without such a seed are left out.
    n_seeds : Series
        Number of these seeds by set.
    """
    cells = frame.pivot_table(index=["set", "seed"], columns="method", values="auc")
    cells = cells.dropna(subset=methods)
    lacks_one = cells.isna().groupby("set").any()
    return cells.groupby("set").mean().mask(lacks_one), cells.groupby("set").size()


def mean_table(
    frame: pd.DataFrame,
    methods: Sequence[str],
    thesis: Mapping[str, Mapping[str, float]],
    without: Sequence[str] = (),
) -> tuple[pd.DataFrame, str]:
    """Mean AUC by set and method, and the table to print.

    Only seeds count that all methods which have every set share; the last column says how many they
    are. A method that lacks a set has neither average nor rank, and is blank where it lacks one of
    those seeds; one that was measured on few sets is left out.

    Parameters
    ----------
    frame : DataFrame
        Cells with ``auc``.
    methods : sequence of str
        Columns, in order.
    thesis : mapping
        Columns of the thesis's table, each a mapping from set to figure, in the sets' order.
    without : sequence of str
        Sets that a second mean leaves out.

    Returns
    -------
    means : DataFrame
        Sets by methods.
    text : str
        The same with the thesis's columns, means, average ranks and the number of seeds.
    """
    coverage = frame.groupby("method")["set"].nunique() / frame["set"].nunique()
    broad = [name for name in methods if coverage.get(name, 0) >= ENOUGH]
    complete = [name for name in broad if coverage[name] == 1]
    means, seeds = shared_means(frame[frame["method"].isin(broad)], complete)
    if means.empty:
        return means, "no seed that all methods have"
    order = list(next(iter(thesis.values())))
    means = means.reindex([name for name in order if name in means.index], columns=broad)
    shown = means.assign(**{name: pd.Series(figures) for name, figures in thesis.items()})
    compared = shown.drop(columns=[name for name in broad if name not in complete])
    averages = {f"mean of {len(means)}": compared.mean(skipna=False)}
    if set(without) & set(means.index):
        others = compared.drop(index=list(without), errors="ignore")
        averages[f"mean of {len(others)} without {', '.join(without)}"] = others.mean(skipna=False)
    averages["average rank"] = average_rank(means[complete])
    shown = pd.concat([shown, pd.DataFrame(averages).T])
    shown["seeds"] = seeds.astype(str).reindex(shown.index)
    text = shown.round(3).to_string(na_rep="")
    note = "The numbers of a row are means over the same seeds."
    if broad != complete:
        note += " A method that lacks a set has no mean and no rank."
    return means, f"{text}\n\n{note}"


def gain_table(cells: pd.DataFrame, base_of: Mapping[str, str], order: Sequence[str]) -> str:
    """What methods gain over their base, on the cells where both are measured.

    Parameters
    ----------
    cells : DataFrame
        AUC, indexed by set and seed, a column per method.
    base_of : mapping
        The base of each method.
    order : sequence of str
        Order of the sets.

    Returns
    -------
    str
        Mean AUC of both, number of sets and cells; then the gain set by set. Empty if there is
        nothing to compare.
    """
    gains, averages = {}, {}
    for name, base in base_of.items():
        pair = cells[[name, base]].dropna() if {name, base} <= set(cells) else cells[[]].iloc[:0]
        if pair.empty:
            continue
        means = pair.groupby("set").mean()
        gains[name] = means[name] - means[base]
        averages[name] = {
            "mean AUC": round(means[name].mean(), 3),
            "base": base,
            "its mean": round(means[base].mean(), 3),
            "gain": round(gains[name].mean(), 3),
            "sets": len(means),
            "cells": len(pair),
        }
    if not gains:
        return ""
    table = pd.DataFrame(gains).T
    table = table[[name for name in order if name in table]].round(3)
    average = pd.DataFrame(averages).T
    return f"{average.to_string()}\n\ngain by set\n\n{table.to_string(na_rep='')}"
