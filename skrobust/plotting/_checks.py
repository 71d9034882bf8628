"""What displays are given: checks that name the parameter, and conversions."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d


def check_has(estimator: Any, attribute: str) -> None:
    """Raise NotFittedError before ``fit``, and TypeError if an estimator lacks something."""
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(f"{type(estimator).__name__} has no {attribute}, which is drawn here")


def check_mapping(name: str, given: Any, parts: str) -> None:
    """Raise TypeError unless something is given by name."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a dict of {parts} by name, got {type(given).__name__}")


def check_known(name: str, values: np.ndarray) -> None:
    """Raise ValueError if there is nothing to draw, as all values are nan."""
    if np.isnan(values).all():
        raise ValueError(f"{name} holds no number: {_short(values)}")


def history(estimator: Any, key: str, hint: str = "") -> list:
    """Return a value of every epoch of a fit; the hint says how it comes to be there."""
    check_has(estimator, "history_")
    known = estimator.history_[-1].keys() - {"batches"}
    if key not in known:
        hint = hint or "; it has " + ", ".join(sorted(known))
        raise ValueError(f"the history of {type(estimator).__name__} has no {key!r}{hint}")
    return estimator.history_[:, key]


def numbers(name: str, values: Any) -> np.ndarray:
    """Check a column of numbers, nan among them or not, and return it in float64."""
    try:
        return column_or_1d(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a list of numbers, got {_short(values)}") from error


def runs(name: str, given: Any) -> list[np.ndarray]:
    """Check curves in rows, or one curve, and return a list of them in float64."""
    try:
        # As a list, a DataFrame would be the names of its columns
        rows = list(np.asarray(given) if hasattr(given, "__array__") else given)
    except TypeError as error:
        raise ValueError(f"{name} must be a list of curves, got {_short(given)}") from error
    if not rows:
        raise ValueError(f"{name} must hold at least one curve, got {_short(given)}")
    if all(np.isscalar(row) for row in rows):
        curves = [numbers(name, rows)]
    else:
        curves = [numbers(f"{name}[{i}]", row) for i, row in enumerate(rows)]
    check_known(name, np.concatenate(curves))
    return curves


def listed(name: str, estimators: Any) -> list:
    """Return estimators as a list, one alone as well."""
    several = list(estimators) if isinstance(estimators, (list, tuple)) else [estimators]
    if not several:
        raise ValueError(f"{name} must hold at least one fitted estimator, got {estimators!r}")
    return several


def bad_rows(name: str, marks: Any) -> np.ndarray:
    """Check marks of bad rows, bool or 0 and 1, and return them as bool."""
    marks = column_or_1d(marks)
    wrong = [mark for mark in marks.tolist() if mark not in (0, 1)]
    if wrong:
        raise ValueError(f"{name} must be 1 for bad rows and 0 for the others, got {wrong[0]!r}")
    return marks.astype(bool)


def two_features(X: Any, *, least: int = 1) -> np.ndarray:
    """Check a table of two features."""
    X = check_array(X, ensure_min_samples=least, input_name="X")
    if X.shape[1] != 2:
        raise ValueError(f"X must have 2 features, got {X.shape[1]}")
    return X


def on_grid(name: str, values: Any, grid_x: np.ndarray, grid_y: np.ndarray) -> np.ndarray:
    """Check values at all points of a grid."""
    values, shape = np.asarray(values, dtype=float), (len(grid_y), len(grid_x))
    if values.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, got {values.shape}")
    check_known(name, values)
    return values


def axis_names(given: Any, X: Any, estimators: Iterable = ()) -> tuple[str, str]:
    """Names of two features: those given, else a table's columns, else those of a fit."""
    if given is not None:
        if isinstance(given, str) or len(given) != 2:
            raise ValueError(f"feature_names must be a pair of names, got {given!r}")
        return given[0], given[1]
    fitted = [getattr(estimator, "feature_names_in_", None) for estimator in estimators]
    for names in (_columns(X), *fitted):
        if names is not None and len(names) == 2:
            return names[0], names[1]
    return "feature 1", "feature 2"


def named(estimator: Any, points: np.ndarray, X: Any) -> np.ndarray | pd.DataFrame:
    """Give points around rows the names that an estimator was fitted with, if there are any."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return points
    columns = _columns(X)
    if columns is not None and columns != list(names):
        fitted = f"{type(estimator).__name__} was fitted with {list(names)}"
        raise ValueError(f"X has the columns {columns}, but {fitted}")
    return pd.DataFrame(points, columns=names)


def _columns(X: Any) -> list[str] | None:
    """Names of a table's columns, if it has any; numbers are none."""
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return list(columns)


def _short(values: Any) -> str:
    return reprlib.repr(values.tolist() if hasattr(values, "tolist") else values)
