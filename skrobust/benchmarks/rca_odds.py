"""Table 2.1: test AUC on the ODDS sets after training on contaminated rows.

60/40 split, uniformly random and not stratified, another one for every seed; every method sees
the same rows, scaled to [0, 1] by the range of the training rows. The methods that use a rate are
told the true one of the whole set (``rate true``), as in the thesis, or 0.1 (``rate 0.1``). OCSVM
is trained on at most 5,000 rows, because its time grows with their square.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler

from skrobust._random import contained_seeding
from skrobust.benchmarks._detectors import (
    ALTERNATIVES,
    CROSS_ENTROPY_SET,
    OURS,
    PEERS,
    make_detector,
    uses_rate,
)
from skrobust.benchmarks._results import Cell
from skrobust.benchmarks._targets import TABLE_2_1
from skrobust.datasets import fetch_odds
from skrobust.metrics import average_rank, win_draw_loss

VALUES = ["auc", "rate", "n_train", "n_test", "n_test_anomalies"]
RATES = ("rate true", "rate 0.1")
LARGEST_OCSVM = 5000
ENOUGH = 0.9  # share of the sets that a method must be measured on to get an average
WITHOUT = "glass"  # its figure in the thesis cannot come from the stated protocol


def cells(
    n_seeds: int,
    sets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
) -> list[Cell]:
    """List what is to be measured, seed by seed."""
    sets = known("set", sets, list(TABLE_2_1))
    methods = known("method", methods, [*OURS, *PEERS], [*ALTERNATIVES])
    return [
        Cell(name, method, setting, seed)
        for seed in range(n_seeds)
        for name in sets
        for method in methods
        for setting in known("setting", settings, list(RATES))
        if setting == RATES[0] or uses_rate(method)
    ]


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one detector on the contaminated part and score the other."""
    X, y = fetch_odds(cell.set, return_X_y=True)
    train, test = split(len(X), cell.seed)
    rate = float(np.mean(y)) if cell.setting == "rate true" else 0.1
    if cell.method == "OCSVM":
        train = train[:LARGEST_OCSVM]
    scaler = MinMaxScaler().fit(X[train])
    detector = make_detector(cell.method, rate, cell.seed, X.shape[1], device)
    with contained_seeding(cell.seed):
        detector.fit(scaler.transform(X[train]))
        scores = detector.decision_function(scaler.transform(X[test]))
    return {
        "auc": round(float(roc_auc_score(y[test], scores)), 6),
        "rate": round(rate, 6),
        "n_train": len(train),
        "n_test": len(test),
        "n_test_anomalies": int(y[test].sum()),
    }


def split(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split rows 60/40, uniformly at random."""
    order = np.random.RandomState(seed).permutation(n_rows)
    n_train = int(0.6 * n_rows)
    return order[:n_train], order[n_train:]


def render(frame: pd.DataFrame) -> str:
    """Table of mean AUC, with the thesis's figures, average ranks and wins; then alternatives."""
    if frame.empty:
        return "nothing measured yet"
    parts = [_table(frame, setting) for setting in RATES]
    return "\n\n".join(part for part in [*parts, _alternatives(frame)] if part)


def _table(frame: pd.DataFrame, setting: str) -> str:
    chosen = frame[(frame["setting"] == setting) | ~frame["method"].map(uses_rate)]
    if not chosen["method"].map(uses_rate).any():
        return ""
    # Averages are over the same sets for all methods, and within a set over the same seeds.
    coverage = chosen.groupby("method")["set"].nunique() / chosen["set"].nunique()
    broad = [name for name in [*OURS, *PEERS] if coverage.get(name, 0) >= ENOUGH]
    cells = chosen.pivot_table(index=["set", "seed"], columns="method", values="auc")[broad]
    cells = cells[cells.notna().all(axis=1)]
    means = cells.groupby("set").mean()
    means = means.reindex([name for name in TABLE_2_1 if name in means.index])
    shown = means.copy()
    shown["thesis RCA"] = [TABLE_2_1[name][0] for name in means.index]
    shown["thesis AE"] = [TABLE_2_1[name][1] for name in means.index]
    others = shown.drop(index=WITHOUT, errors="ignore")
    averages = {
        f"mean of {len(means)}": shown.mean(),
        f"mean of {len(others)} without {WITHOUT}": others.mean(),
        "average rank": average_rank(means),
    }
    shown = pd.concat([shown, pd.DataFrame(averages).T])
    shown["seeds"] = (
        cells.groupby("set").size().reindex(shown.index).map("{:.0f}".format, na_action="ignore")
    )
    lines = [f"Test AUC, {setting}", "", shown.round(3).to_string(na_rep="")]
    if "RCA" in means:
        lines += ["", "RCA against each method (sets won, drawn, lost):"]
        lines.append(win_draw_loss(means, "RCA").T.to_string())
    return "\n".join(lines)


def _alternatives(frame: pd.DataFrame) -> str:
    """What each alternative gains over RCA (AE) on the cells where both are measured."""
    cells = frame[frame["setting"] == RATES[0]]
    cells = cells.pivot_table(index=["set", "seed"], columns="method", values="auc")
    is_special = cells.index.get_level_values("set") == CROSS_ENTROPY_SET
    for name in ("RCA", "AE"):
        if f"{name} cross-entropy" in cells:
            published = cells[name].where(~is_special, cells[f"{name} cross-entropy"])
            cells[f"{name}, losses as published"] = published
    gains, averages = {}, {}
    for name in [c for c in cells if c in ALTERNATIVES or c.endswith("as published")]:
        base = "AE" if name.startswith("AE") else "RCA"
        pair = cells[[name, base]].drop(index=WITHOUT, errors="ignore").dropna()
        if pair.empty:
            continue
        means = pair.groupby("set").mean()
        gains[name] = means[name] - means[base]
        averages[name] = {
            "mean AUC": means[name].mean(),
            f"of {base}": means[base].mean(),
            "sets": len(means),
            "cells": len(pair),
        }
    if not gains:
        return ""
    table = pd.DataFrame(gains).T
    table = table[[name for name in TABLE_2_1 if name in table]]
    average = pd.DataFrame(averages).T.astype({"sets": int, "cells": int})
    title = f"Alternatives, {RATES[0]}, without {WITHOUT}"
    gain = f"gain over RCA (AE), by set\n\n{table.round(3).to_string(na_rep='')}"
    return f"{title}\n\n{average.round(3).to_string(na_rep='')}\n\n{gain}"


def known(
    what: str, given: Sequence[str] | None, standard: list[str], more: Sequence[str] = ()
) -> list[str]:
    """Return the given names, or the standard ones; refuse those that are not in either list."""
    allowed = [*standard, *more]
    unknown = [name for name in given or () if name not in allowed]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; allowed are {', '.join(allowed)}")
    return list(given or standard)
