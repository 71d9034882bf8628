"""Our detectors on 30 tables, beside PyOD's.

18 sets of ODDS and 12 more of ADBench, at most 6,000 rows of each, split 60/40 uniformly at random;
the training part keeps its anomalies. Settings: "true rate", ours are told the share of anomalies;
"auto", they estimate it; "0.1", they are told that. The last two train alike, so that one fit
serves both. "any rate" is for PyOD's, whose scores do not depend on the rate; they have their
defaults and standardised rows.

Values of a row: ``auc`` and ``ap`` (average precision) of the test rows; ``true_rate``, the share
of anomalies in the set; ``rate``, what the detector took it to be, with ``low`` and ``high``, the
interval of "auto", and ``doubted``, 1 if it warned that the estimate cannot be relied on;
``n_rows`` of the set before rows are drawn; ``fit_seconds``, CPU time of fit and scores;
``failed``: 0, or, with blank ``auc`` and ``ap``, 1 if it raised an error, 2 if scores were not
finite, 3 if 300 seconds were not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmarks._results import Cell, Grid, ResultFile
from benchmarks.field._peers import PEERS, fit_and_score, make_peer
from benchmarks.field._ranks import draw_ranks, mean_ranks
from benchmarks.field._registry import RESULTS
from benchmarks.thesis._odds import split
from skrobust import RCADetector, RobustEnsembleDetector, RobustRealNVPDetector
from skrobust.datasets import ADBENCH_SETS, ODDS_SETS, fetch_adbench, fetch_odds

VALUES = ["auc", "ap", "true_rate", "rate", "low", "high", "doubted", "n_rows"]
VALUES += ["fit_seconds", "failed"]
MOST_ROWS = 6_000
ODDS, ADBENCH, ALL = "ODDS", "ADBench", "all"
_SETS = {
    ODDS: [f"odds/{name}" for name in ODDS_SETS],
    ADBENCH: [f"adbench/{name}" for name in ADBENCH_SETS],
}
GROUPS = {**_SETS, ALL: [*_SETS[ODDS], *_SETS[ADBENCH]]}
SIZES = ["fewer than 500", "500 to 2,000", "more"]
SHOWN = {"AUC": 3, "rank": 1, "AP": 3}  # in README, with digits
NOTE = "A failure counts as AUC 0.5, AP the share of anomalies, and the last rank."
TOLD, AUTO, TENTH, ANY = "true rate", "auto", "0.1", "any rate"
OURS: dict[str, Callable[..., Any]] = {
    "RobustEnsembleDetector": RobustEnsembleDetector,
    "RobustRealNVPDetector": RobustRealNVPDetector,
    "RCADetector": RCADetector,
}

cells = Grid(
    GROUPS[ALL],
    [TOLD, AUTO, TENTH, ANY],
    [*OURS, *PEERS],
    keep=lambda cell: (cell.setting == ANY) == (cell.method in PEERS),
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one detector on the contaminated part of a set and score the other."""
    trained = AUTO if cell.setting == TENTH else cell.setting
    found = dict(_train(cell.set, cell.method, trained, cell.seed, device))
    if cell.setting == TENTH:
        found |= {"rate": 0.1, "low": np.nan, "high": np.nan, "doubted": 0}
    return {name: round(found[name], 6) for name in VALUES}


class _Part(NamedTuple):
    X: np.ndarray
    new: np.ndarray
    y_new: np.ndarray
    rate: float
    n_rows: int


@lru_cache(maxsize=1)
def _load(name: str, seed: int) -> _Part:
    """Training and test rows, which test rows are anomalies, and the set's rate and size."""
    folder, _, key = name.partition("/")
    fetch = fetch_odds if folder == "odds" else fetch_adbench
    X, y = fetch(key, return_X_y=True)
    n_rows = len(X)
    if n_rows > MOST_ROWS:
        kept = np.random.RandomState(0).permutation(n_rows)[:MOST_ROWS]
        X, y = X[kept], y[kept]
    train, test = split(len(X), seed)
    return _Part(X[train], X[test], y[test], float(y.mean()), n_rows)


@lru_cache(maxsize=len(OURS))  # the methods of "auto" are measured before those of "0.1"
def _train(name: str, method: str, setting: str, seed: int, device: str) -> dict[str, float]:
    part = _load(name, seed)
    X, new = part.X, part.new
    if method in PEERS:
        scaler = StandardScaler().fit(X)
        X, new, detector = scaler.transform(X), scaler.transform(new), make_peer(method, seed)
    else:
        told = AUTO if setting == AUTO else part.rate
        detector = OURS[method](contamination=told, random_state=seed, device=device)
    outcome = fit_and_score(detector, X, new, seed)
    low, high = getattr(detector, "contamination_interval_", (np.nan, np.nan))
    found = {
        "auc": np.nan,
        "ap": np.nan,
        "true_rate": part.rate,
        "rate": getattr(detector, "contamination_", np.nan) if method in OURS else np.nan,
        "low": low,
        "high": high,
        "doubted": int(any("cannot be relied on" in text for text in outcome.warned)),
        "n_rows": part.n_rows,
        "fit_seconds": outcome.seconds,
        "failed": outcome.failed,
    }
    if outcome.scores is not None:
        found["auc"] = roc_auc_score(part.y_new, outcome.scores)
        found["ap"] = average_precision_score(part.y_new, outcome.scores)
    return found


def shared(
    frame: pd.DataFrame, setting: str = TOLD, sets: Collection[str] = cells.sets
) -> pd.DataFrame:
    """Cells by which methods can be compared: ours at a setting, PyOD's at any rate.

    Parameters
    ----------
    frame : DataFrame
        Measured cells.
    setting : str
        Of ours.
    sets : collection of str
        Those that are measured count.

    Returns
    -------
    DataFrame
        Cells of the methods that have every set, on the pairs of set and seed that they share. A
        failure has the quality of chance: AUC 0.5, and AP the share of anomalies.
    """
    part = frame[frame["setting"].isin([setting, ANY]) & frame["set"].isin(sets)]
    has_all = part.groupby("method")["set"].nunique() == part["set"].nunique()
    part = part[part["method"].isin(has_all.index[has_all])]
    n_methods = part.groupby(["set", "seed"])["method"].transform("size")
    part = part[n_methods == part["method"].nunique()]
    return part.assign(auc=part["auc"].fillna(0.5), ap=part["ap"].fillna(part["true_rate"]))


def summary(part: pd.DataFrame) -> pd.DataFrame:
    """Mean AUC, mean rank, mean AP, median seconds and number of failures by method, best first.

    Parameters
    ----------
    part : DataFrame
        What :func:`shared` returns.
    """
    quality = part.pivot(index=["set", "seed"], columns="method", values="auc")
    failed = part.pivot(index=["set", "seed"], columns="method", values="failed")
    means = part.groupby(["method", "set"])[["auc", "ap"]].mean().groupby("method").mean()
    by_method = part.groupby("method")
    table = {
        "AUC": means["auc"],
        "rank": mean_ranks(quality.mask(failed > 0)),
        "AP": means["ap"],
        "seconds": by_method["fit_seconds"].median(),
        "failed": (by_method["failed"].agg(lambda codes: (codes > 0).sum())),
    }
    return pd.DataFrame(table).sort_values("rank")


def render(frame: pd.DataFrame) -> str:
    """Tables by group of sets and setting, means by size, and errors of the rates found."""
    if frame.empty:
        return "nothing measured yet"
    parts = []
    for title, sets in GROUPS.items():
        part = shared(frame, TOLD, sets)
        if part.empty:
            continue
        n_sets, n_pairs = part["set"].nunique(), len(part[["set", "seed"]].drop_duplicates())
        parts.append(f"{title}: {n_sets} sets, {n_pairs} splits\n\n{_text(summary(part))}")
        for setting in (AUTO, TENTH):
            ours = summary(shared(frame, setting, sets)).filter(items=list(OURS), axis=0)
            if len(ours):
                parts.append(f'{title}, ours at "{setting}"\n\n{_text(ours)}')
    parts += [_by_size(frame), _rates(frame), NOTE]
    return "\n\n".join(part for part in parts if part)


def _text(table: pd.DataFrame) -> str:
    return table.round({"rank": 2, "seconds": 2}).round(3).to_string()


def _by_size(frame: pd.DataFrame) -> str:
    """Mean AUC over small, middling and large sets."""
    part = shared(frame)
    if part.empty:
        return ""
    size = pd.cut(part["n_rows"], [0, 499, 2_000, np.inf], labels=SIZES)
    means = part.groupby(["method", "set", size], observed=True)["auc"].mean()
    table = means.groupby(["method", "n_rows"], observed=True).mean().unstack("n_rows")
    n_sets = part.groupby(size, observed=True)["set"].nunique()
    table.columns = [f"{name} ({n_sets[name]})" for name in table]
    table = table.loc[summary(part).index]
    return f"Mean AUC by rows of the set (number of sets)\n\n{table.round(3).to_string()}"


def _rates(frame: pd.DataFrame) -> str:
    """How far "auto" is off, how often in doubt, and how wide its intervals are otherwise."""
    auto = frame[(frame["setting"] == AUTO) & (frame["failed"] == 0)]
    if auto.empty:
        return ""
    auto = auto.assign(
        error=(auto["rate"] - auto["true_rate"]).abs(),
        width=(auto["high"] - auto["low"]).where(auto["doubted"] == 0),
        tenth=(0.1 - auto["true_rate"]).abs(),
    )
    by_method = auto.groupby("method")
    table = (
        by_method[["error", "tenth", "doubted"]].mean().assign(width=by_method["width"].median())
    )
    names = {"error": "mean error", "tenth": "of 0.1", "doubted": "in doubt", "width": "width"}
    return f'Rates found by "auto"\n\n{table.rename(columns=names).round(3).to_string()}'


def draw(device: str = "cpu"):
    """Draw the mean ranks of the committed rows over all sets, ours told the rate."""
    part = shared(ResultFile(RESULTS / "detect-adbench.csv", VALUES).frame())
    if part.empty:
        raise ValueError("detect-adbench has no rows yet")
    n_sets = part["set"].nunique()
    return draw_ranks(summary(part)["rank"], n_sets, f"ROC AUC on {n_sets} sets")


def readme_table(frame: pd.DataFrame) -> tuple[list[str], list[list[str]], str]:
    """Header, rows and note of README's table; ours are bold, and once more with "auto"."""
    told = {title: shared(frame, TOLD, sets) for title, sets in GROUPS.items()}
    tables = {title: summary(part) for title, part in told.items()}
    auto = {title: summary(shared(frame, AUTO, sets)) for title, sets in GROUPS.items()}
    rows = [
        _row(tables, name, f"**{name}**" if name in OURS else name) for name in tables[ALL].index
    ]
    rows += [_row(auto, name, f'**{name}**, "auto"') for name in OURS if name in auto[ALL].index]
    header = [
        "",
        *(f"{value}, {title}" for title in (ODDS, ADBENCH) for value in SHOWN),
        "rank, all",
    ]
    splits = told[ALL][["set", "seed"]].drop_duplicates()
    note = (
        f"{splits['set'].nunique()} sets, {len(splits)} splits into training and test rows, at most"
        f" {MOST_ROWS:,} rows of each; mean rank by AUC among {len(tables[ALL])}. Ours are told the"
        " true rate or estimate it; PyOD's have their defaults, and scores that do not depend on a"
        f" rate. Seconds: CPU time of fit and scores, median. {NOTE}"
    )
    return [*header, "seconds", "failed"], rows, note


def _row(tables: Mapping[str, pd.DataFrame], name: str, shown: str) -> list[str]:
    figures = [
        f"{tables[title][value].get(name, np.nan):.{digits}f}"
        for title in (ODDS, ADBENCH)
        for value, digits in SHOWN.items()
    ]
    every = tables[ALL].loc[name]
    rest = [f"{every['rank']:.1f}", f"{every['seconds']:.2f}", f"{every['failed']:.0f}"]
    return [shown, *figures, *rest]
