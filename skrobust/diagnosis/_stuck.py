"""Targets that repeat one value, as a sensor does that is stuck."""

from __future__ import annotations

from functools import cached_property
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
MOST_VALUES, LEAST_OTHER_VALUES = 2, 20
TIMES_OTHERS = 5.0
UNEXPLAINED = 0.6
_MOST_ROWS, _MOST_COLUMNS, _N_TREES, _LEAF = 2_000, 256, 50, 5
_GRAIN, _FAR = 1e-3, 10.0
_NORMAL = 1.4826


def find_stuck(X: Any, y: np.ndarray) -> np.ndarray:
    """Find rows whose target repeats a value for no reason that the features know.

    Suspect are one or two values that 5 % of the rows or more share, up to half of them together,
    where each is five times as frequent as every other value: rounded targets, ratings, and prices
    that end in 9 are not suspect. A suspect value is taken for an error unless forests tell from
    the features of rows that they have not seen which rows have it, with an area under the ROC
    curve of 0.6 or more: a cap on prices goes with the features; the readings of a sensor that is
    stuck do not. Zero is never suspect: no rain, no claim, no change.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, ...)
        Features; nan and text are allowed. Of more than 256 columns as many are drawn. With what
        makes no table no value is taken for an error.
    y : array of shape (n_samples,) or (n_samples, n_outputs), float
        Finite targets.

    Returns
    -------
    array of shape (n_samples,), bool
        True where one of the targets is such a value; nowhere, if that would be most rows.
    """
    features = _Features(X, len(y))
    found = np.zeros(len(y), dtype=bool)
    for values in _columns(y):
        for has, others in _repeats(values):
            if not features.explain(has, others, unknown=True):
                found |= has
    return found if found.mean() <= MOST_SHARE else np.zeros(len(y), dtype=bool)


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
    features, none, found = _Features(X, len(y)), np.zeros(len(y), dtype=bool), []
    for values in _columns(y):
        distances = np.abs(values - np.median(values))
        far = distances > _FAR * _NORMAL * np.median(distances)
        enough = min(far.sum(), (~far).sum()) >= max(LEAST_SHARE * len(y), LEAST_REPEATS)
        found.append(bool(enough) and features.explain(far, none, unknown=False))
    return np.array(found, dtype=bool)


def above_others(scores: np.ndarray, stuck: np.ndarray) -> np.ndarray:
    """Scores (n,) with those of some rows raised above all others, in their order."""
    if not stuck.any() or stuck.all():
        return scores
    step = scores[~stuck].max() - scores[stuck].min()
    return np.where(stuck, scores + step + max(abs(step), 1.0) * 1e-3, scores)


def _columns(y: np.ndarray) -> np.ndarray:
    """Targets (n_outputs, n), at most 1 in size, so that sums do not overflow."""
    columns = np.asarray(y, dtype=np.float64).reshape(len(y), -1).T
    size = np.abs(columns).max(axis=1, keepdims=True)
    return columns / np.where(size > 0, size, 1.0)


def _repeats(values: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows that share a suspect value, and rows that share another one; of each such value."""
    center = np.median(values)
    distances = np.abs(values - center)
    spread = _NORMAL * np.median(distances) or float(np.quantile(distances, 0.9))
    if spread == 0:
        return []
    grains = np.round((values - center) / (_GRAIN * spread))  # what differs by noise is the same
    _, place, counts = np.unique(grains, return_inverse=True, return_counts=True)
    frequent = counts >= max(LEAST_SHARE * len(values), LEAST_REPEATS)
    others = counts[~frequent]
    if not 0 < frequent.sum() <= MOST_VALUES or len(others) < LEAST_OTHER_VALUES:
        return []
    any_frequent = frequent[place]
    is_rare_beside = counts[frequent].min() >= TIMES_OTHERS * others.max()
    if any_frequent.mean() > MOST_SHARE or not is_rare_beside:
        return []
    suspects = [place == i for i in np.flatnonzero(frequent)]
    least = 1e-9 * np.abs(values[~any_frequent]).max()
    return [
        (has, any_frequent & ~has) for has in suspects if np.abs(np.median(values[has])) > least
    ]


class _Features:
    """Features that forests are asked, made into ranks when first needed."""

    def __init__(self, X: Any, n_rows: int) -> None:
        self.X = X
        rng = np.random.RandomState(0)
        self.rows = np.arange(n_rows)
        if n_rows > _MOST_ROWS:
            self.rows = np.sort(rng.permutation(n_rows)[:_MOST_ROWS])

    @cached_property
    def table(self) -> np.ndarray | None:
        """Ranks (n_rows, n_features), which have no unit; None where there is no table."""
        table = _as_numbers(_safe_indexing(self.X, self.rows))
        if table is None:
            return None
        table = table[:, np.isfinite(table).any(axis=0)]
        table[~np.isfinite(table)] = np.nan
        if not table.shape[1]:
            return None
        ranks = QuantileTransformer(n_quantiles=min(1_000, len(table)), random_state=0)
        return ranks.fit_transform(table)

    def explain(self, has: np.ndarray, others: np.ndarray, *, unknown: bool) -> bool:
        """Whether features tell rows that have something from rows without, besides ``others``.

        ``unknown`` is the answer where there is no table.
        """
        if self.table is None:
            return unknown
        asked = ~others[self.rows]
        labels = has[self.rows][asked]
        if min(labels.sum(), (~labels).sum()) < 3:
            return unknown
        judge = RandomForestClassifier(_N_TREES, min_samples_leaf=_LEAF, random_state=0)
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        said = cross_val_predict(judge, self.table[asked], labels, cv=folds, method="predict_proba")
        return bool(roc_auc_score(labels, said[:, 1]) >= UNEXPLAINED)


def _as_numbers(X: Any) -> np.ndarray | None:
    """Features (n_rows, n_features), text as numbers; None where there are none."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 2:
        X = pd.DataFrame(X).infer_objects()
    try:
        if isinstance(X, pd.DataFrame):
            columns = [X.iloc[:, j] for j in _some_columns(X.shape[1])]
            return np.column_stack([_column_as_numbers(column) for column in columns])
        if issparse(X):
            return X.tocsc()[:, _some_columns(X.shape[1])].toarray().astype(np.float64)
        table = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    table = table.reshape(len(table), -1)
    return table[:, _some_columns(table.shape[1])]


def _column_as_numbers(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.factorize(column.astype(str))[0].astype(np.float64)


def _some_columns(n_columns: int) -> np.ndarray:
    if n_columns <= _MOST_COLUMNS:
        return np.arange(n_columns)
    return np.sort(np.random.RandomState(0).permutation(n_columns)[:_MOST_COLUMNS])
