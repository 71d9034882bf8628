"""Targets that repeat one value, as a sensor does that is stuck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils import _safe_indexing

__all__ = ["above_others", "explains_far", "find_stuck"]

LEAST_SHARE, MOST_SHARE, LEAST_REPEATS = 0.05, 0.5, 20
LEAST_OTHER_VALUES = 20
UNEXPLAINED = 0.6
_MOST_ROWS, _N_TREES, _LEAF = 2_000, 50, 5
_GRAIN = 1e-3
_NORMAL = 1.4826
_FAR = 10.0


def find_stuck(X: Any, y: np.ndarray) -> np.ndarray:
    """Find rows whose target repeats a value for no reason that the features know.

    Of targets that vary continuously, a value is suspect which 5 % of the rows or more share, up to
    half of them with all such values together. It is taken for an error unless forests tell from
    the features of rows that they have not seen which rows have it, with an area under the ROC
    curve of 0.6 or more: the days without rain, or a cap on prices, go with the features; the
    readings of a sensor that is stuck do not. Zeros at the end of the range of targets that come
    close to zero are never taken for errors.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, ...)
        Features; nan and columns of text are allowed. With what makes no table no value is taken
        for an error.
    y : array of shape (n_samples,) or (n_samples, n_outputs), float
        Finite targets.

    Returns
    -------
    array of shape (n_samples,), bool
        True where one of the targets is such a value.
    """
    columns = np.asarray(y, dtype=np.float64).reshape(len(y), -1).T
    found = [has & ~_is_explained(X, has, out) for c in columns for has, out in _repeats(c)]
    return np.any(found, axis=0) if found else np.zeros(len(y), dtype=bool)


def explains_far(X: Any, y: np.ndarray) -> np.ndarray:
    """Tell of which targets the features say which rows are far from the middle.

    Of amounts of rain, which are mostly 0, a third may be far from it, and are no errors.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, ...)
        Features, as for :func:`find_stuck`.
    y : array of shape (n_samples,) or (n_samples, n_outputs), float
        Finite targets.

    Returns
    -------
    array of shape (n_outputs,), bool
        True where 5 % of the targets or more are ten standard deviations of the middle from the
        median, and forests tell which.
    """
    columns = np.asarray(y, dtype=np.float64).reshape(len(y), -1).T
    none, found = np.zeros(len(y), dtype=bool), []
    for values in columns:
        distances = np.abs(values / 4 - np.median(values / 4))  # sums may overflow
        far = distances > _FAR * _NORMAL * np.median(distances)
        enough = min(far.sum(), (~far).sum()) >= max(LEAST_SHARE * len(y), LEAST_REPEATS)
        found.append(bool(enough) and _is_explained(X, far, none, sure=True))
    return np.array(found, dtype=bool)


def above_others(scores: np.ndarray, stuck: np.ndarray) -> np.ndarray:
    """Scores (n,) with those of some rows raised above all others, in their order."""
    if not stuck.any() or stuck.all():
        return scores
    step = scores[~stuck].max() - scores[stuck].min()
    return np.where(stuck, scores + step + max(abs(step), 1.0) * 1e-3, scores)


def _repeats(values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows that share a suspect value, and rows that share another one; of each such value."""
    center = np.median(values)
    distances = np.abs(values - center)
    spread = _NORMAL * np.median(distances) or float(np.quantile(distances, 0.9))
    if not 0 < spread < np.inf:
        return []
    grains = np.round((values - center) / (_GRAIN * spread))  # what differs by noise is the same
    _, place, counts = np.unique(grains, return_inverse=True, return_counts=True)
    frequent = counts >= max(LEAST_SHARE * len(values), LEAST_REPEATS)
    any_frequent = frequent[place]
    if any_frequent.mean() > MOST_SHARE or (~frequent).sum() < LEAST_OTHER_VALUES:
        return []
    rest = values[~any_frequent]
    suspects = [place == i for i in np.flatnonzero(frequent)]
    return [(has, any_frequent & ~has) for has in suspects if not _ends_at_zero(values[has], rest)]


def _ends_at_zero(repeated: np.ndarray, rest: np.ndarray) -> bool:
    """Whether the value is 0, all others lie on one side of it and some come close."""
    if not np.isclose(np.median(repeated), 0.0, atol=1e-9 * np.abs(rest).max()):
        return False
    sizes = np.abs(rest)
    one_side = (rest > 0).all() or (rest < 0).all()
    return bool(one_side and np.quantile(sizes, 0.05) < 0.25 * np.median(sizes))


def _is_explained(X: Any, has: np.ndarray, others: np.ndarray, sure: bool = False) -> bool:
    """Whether features tell rows that have something from rows that do not, without ``others``."""
    rows = np.flatnonzero(~others)
    if len(rows) > _MOST_ROWS:
        rows = np.random.RandomState(0).permutation(rows)[:_MOST_ROWS]
    table = _as_numbers(_safe_indexing(X, rows))
    if table is None:
        return not sure  # as far as one can tell
    table = table[:, np.isfinite(table).any(axis=0)]
    ranks = QuantileTransformer(n_quantiles=min(1_000, len(rows)), random_state=0)  # in any unit
    table = ranks.fit_transform(table)
    judge = RandomForestClassifier(_N_TREES, min_samples_leaf=_LEAF, random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    said = cross_val_predict(judge, table, has[rows], cv=folds, method="predict_proba")[:, 1]
    return bool(roc_auc_score(has[rows], said) >= UNEXPLAINED)


def _as_numbers(X: Any) -> np.ndarray | None:
    """Features (n_rows, n_features), text as numbers; None where there are none."""
    if issparse(X):
        X = X.toarray()
    if isinstance(X, pd.DataFrame):
        X = X.apply(lambda c: c if pd.api.types.is_numeric_dtype(c) else pd.factorize(c)[0])
    try:
        table = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return table.reshape(len(table), -1)
