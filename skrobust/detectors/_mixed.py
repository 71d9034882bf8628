"""Tables with text, categories, truth values and dates, as a detector encodes them itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

from skrobust._validation import _refuse_nan, remember_features
from skrobust.tables import TableEncoder
from skrobust.tables._cells import as_text

__all__ = ["encode", "fit_encoder", "sum_per_column"]


def fit_encoder(detector: Any, X: Any, categorical: Any) -> TableEncoder:
    """Learn how a table is encoded, and remember its columns in ``detector``.

    Parameters
    ----------
    detector : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set.
    X : DataFrame or array-like of shape (n_rows, n_columns)
        Training rows.
    categorical : "from_dtype", or array-like of names, places or truth values
        Which columns hold levels; others are what their cells are.

    Returns
    -------
    TableEncoder

    Raises
    ------
    ValueError
        If ``categorical`` names no column, or if there is one row only or nothing in the table.
    """
    frame = _as_frame(X)
    remember_features(detector, X if isinstance(X, pd.DataFrame) else frame.to_numpy())
    if len(frame) < 2:
        raise ValueError(f"X has n_samples={len(frame)} while a minimum of 2 is required")
    levels = {place: as_text(frame.iloc[:, place]) for place in _places(frame, categorical)}
    columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
    for place, texts in levels.items():
        columns[place] = texts.astype("category")
    table = pd.concat(columns, axis=1)
    table.columns = frame.columns
    encoder = TableEncoder().fit(table)
    if not sum(encoder.widths):
        raise ValueError(f"X has no column with a value (shape={frame.shape})")
    return encoder


def encode(detector: Any, X: Any, missing: str) -> np.ndarray:
    """Features (n_rows, n_features) of rows; refuses missing cells where ``missing="error"``."""
    rows = detector.encoder_.transform(X)
    if missing == "error" and np.isnan(rows).any():
        _refuse_nan(detector, np.where(_as_frame(X).isna(), np.nan, 0.0))
    return rows


def sum_per_column(encoder: TableEncoder, features: np.ndarray) -> np.ndarray:
    """Sum what is said of features (n_rows, n_features) to columns (n_rows, n_columns)."""
    stops = np.cumsum(encoder.widths)
    parts = np.split(features, stops[:-1], axis=1)
    return np.stack([part.sum(axis=1) for part in parts], axis=1)


def _as_frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        return X.reset_index(drop=True)
    return pd.DataFrame(check_array(X, dtype=None, ensure_all_finite=False))


def _places(frame: pd.DataFrame, categorical: Any) -> list[int]:
    """Places of the columns that are said to hold levels."""
    if isinstance(categorical, str):  # "from_dtype"
        return []
    given, n_columns = np.asarray(categorical), frame.shape[1]
    if given.size == 0:
        return []
    if given.ndim != 1:
        raise ValueError(f"categorical_features={categorical!r} must have one dimension")
    if given.dtype.kind == "b":
        if len(given) != n_columns:
            raise ValueError(
                f"categorical_features has {len(given)} truth values; X has {n_columns} columns"
            )
        return [int(place) for place in np.flatnonzero(given)]
    return [_place(frame, one) for one in given.tolist()]


def _place(frame: pd.DataFrame, one: Any) -> int:
    is_place = isinstance(one, int) and not isinstance(one, bool)
    if is_place and 0 <= one < frame.shape[1]:
        return int(one)
    if isinstance(one, str) and list(frame.columns).count(one) == 1:
        return list(frame.columns).index(one)
    raise ValueError(
        f"categorical_features has {one!r}; allowed are names of columns, places from 0 to "
        f"{frame.shape[1] - 1}, or one truth value for each column"
    )
