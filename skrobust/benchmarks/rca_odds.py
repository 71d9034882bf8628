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
from skrobust.benchmarks._detectors import OURS, PEERS, make_detector, uses_rate
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
    methods = known("method", methods, [*OURS, *PEERS])
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
    """Table of mean AUC, with the thesis's figures, average ranks and wins."""
    if frame.empty:
        return "nothing measured yet"
    tables = [_table(frame, setting) for setting in RATES]
    return "\n\n".join(text for text in tables if text)


def _table(frame: pd.DataFrame, setting: str) -> str:
    chosen = frame[(frame["setting"] == setting) | ~frame["method"].map(uses_rate)]
    if not chosen["method"].map(uses_rate).any():
        return ""
    means = chosen.pivot_table(index="set", columns="method", values="auc")
    order = [name for name in [*OURS, *PEERS] if name in means]
    means = means.reindex([name for name in TABLE_2_1 if name in means.index])[order]
    # Averages are over the same sets for all: alternatives tried on a few sets get none.
    broad = means.columns[means.notna().mean() >= ENOUGH]
    complete = means[broad].dropna()
    shown = means.copy()
    shown["thesis RCA"] = [TABLE_2_1[name][0] for name in means.index]
    shown["thesis AE"] = [TABLE_2_1[name][1] for name in means.index]
    common = shown.loc[complete.index, [*broad, "thesis RCA", "thesis AE"]]
    others = common.drop(index=WITHOUT, errors="ignore")
    shown.loc[f"mean of {len(common)}"] = common.mean()
    shown.loc[f"mean of {len(others)} without {WITHOUT}"] = others.mean()
    shown.loc["average rank"] = average_rank(complete)
    seeds = chosen.groupby(["set", "method"])["seed"].nunique()
    lines = [f"Test AUC, {setting} ({seeds.min()} to {seeds.max()} seeds)", ""]
    lines.append(shown.round(3).to_string())
    if "RCA" in complete:
        lines += ["", "RCA against each method (sets won, drawn, lost):"]
        lines.append(win_draw_loss(complete, "RCA").T.to_string())
    return "\n".join(lines)


def known(what: str, given: Sequence[str] | None, allowed: list[str]) -> list[str]:
    """Return the given names, or all that are allowed; refuse others."""
    unknown = [name for name in given or () if name not in allowed]
    if unknown:
        raise ValueError(f"unknown {what} {unknown[0]!r}; allowed are {', '.join(allowed)}")
    return list(given or allowed)
