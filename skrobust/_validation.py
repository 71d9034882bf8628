"""Input validation in one place; the only module that touches scikit-learn's private helpers."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, RealNotInt, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_feature_names, _check_n_features, validate_data

__all__ = [
    "HasMethods",
    "Integral",
    "Interval",
    "Real",
    "RealNotInt",
    "StrOptions",
    "check_choice",
    "check_whole",
    "column_mask",
    "fit_context",
    "refuse_outside",
    "remember_features",
    "sorted_classes",
    "unchanged_on_error",
    "validate_examples",
    "validate_range",
    "validate_rows",
    "warn_caller",
]

_INSIDE = {"skrobust", "sklearn", "skorch", "torch", "joblib", "contextlib"}

fit_context = _fit_context(prefer_skip_nested_validation=True)


@contextmanager
def unchanged_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator back as it was if anything inside fails, Ctrl-C included."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, pointing at the first line outside the package and the libraries that call it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE


def remember_features(estimator: BaseEstimator, X: Any) -> None:
    """Set ``n_features_in_``, and ``feature_names_in_`` if the table has names."""
    _check_feature_names(estimator, X, reset=True)
    _check_n_features(estimator, X if hasattr(X, "shape") else np.asarray(X), reset=True)


def _as_numbers(estimator: BaseEstimator, X: Any) -> Any:
    """Return a table that scikit-learn can read: masked cells as nan; refuse columns of no numbers.

    Raises ValueError that names a column of text or dates.
    """
    name = type(estimator).__name__
    advice = f"encode the table first: make_pipeline(skrobust.tables.TableEncoder(), {name}(...))"
    if isinstance(X, np.ma.MaskedArray):
        return np.ma.filled(X.astype(np.promote_types(X.dtype, np.float32)), np.nan)
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(f"X holds dates or times ({X.dtype}), which are no numbers; {advice}")
    if not hasattr(X, "iloc") or not hasattr(X, "columns"):
        return X
    for place, column in enumerate(X.columns):
        cells = X.iloc[:, place]
        kind = getattr(cells.dtype, "kind", "O")
        if kind in "biufc":
            continue
        if kind == "m":
            what, advice = f"times ({cells.dtype})", "convert it: X[column].dt.total_seconds()"
        elif kind == "M":
            what = f"dates or times ({cells.dtype})"
        else:
            try:
                np.asarray(cells.dropna(), dtype=np.float64)
                continue
            except (TypeError, ValueError):
                what = f"{str(cells.dropna().iloc[0])!r}, which is no number"
        raise ValueError(f"column {column!r} of X holds {what}; {advice}")
    return X


def validate_rows(estimator: BaseEstimator, X: Any, *, reset: bool, missing: str = "error") -> Any:
    """Check a table of rows and return it as float64 or float32.

    ``reset`` tells that this is ``fit``. Raises ValueError for wrong shapes and types, infinities,
    fewer than two training rows, and nan where ``missing="error"``.
    """
    X = validate_data(
        estimator,
        _as_numbers(estimator, X),
        reset=reset,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        ensure_min_samples=2 if reset else 1,
    )
    if missing == "error" and np.isnan(np.sum(X)):
        _refuse_nan(estimator, X)
    return X


def validate_examples(
    estimator: Any,
    X: Any,
    y: str = "no_validation",
    *,
    reset: Any,
    missing: str = "error",
    **target_options: Any,
) -> Any:
    """Check the inputs of a learner, a table or an array of any shape, and their targets.

    As :func:`validate_rows`; tables keep float64, other arrays are float32. ``target_options`` are
    scikit-learn's ``multi_output`` and ``y_numeric``. Returns X, or X and y if targets are given.
    """
    X = _as_numbers(estimator, X)
    if isinstance(y, np.ma.MaskedArray) and np.ma.getmaskarray(y).any():
        raise ValueError(f"y is masked in {np.ma.getmaskarray(y).sum()} rows; leave those out")
    is_table = len(X.shape if hasattr(X, "shape") else np.asarray(X).shape) < 3
    checked = validate_data(
        estimator,
        X,
        y,
        reset=reset,
        dtype=[np.float64, np.float32] if is_table else np.float32,
        ensure_all_finite="allow-nan" if is_table else True,
        ensure_min_samples=2 if reset else 1,
        allow_nd=True,
        **target_options,
    )
    rows = checked[0] if isinstance(checked, tuple) else checked
    if is_table and missing == "error" and np.isnan(np.sum(rows)):
        _refuse_nan(estimator, rows)
    return checked


def _refuse_nan(estimator: Any, X: Any) -> None:
    missing, name = np.isnan(X), type(estimator).__name__
    if missing.any():
        raise ValueError(
            f"Input X contains NaN ({missing.sum()} cells in {missing.any(axis=1).sum()} rows), "
            f"which {name} does not accept as it is configured. Pass missing='mean', or impute "
            f"first: make_pipeline(SimpleImputer(), {name}(...))"
        )


def sorted_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the classes, the place of each label (n,) among them, and how often each occurs.

    Raises ValueError for missing labels, labels of types without an order, bytes and real numbers.
    """
    kinds = {type(label) for label in y.tolist()} if y.dtype.kind == "O" else {y.dtype.type}
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    if any(issubclass(kind, bytes) for kind in kinds):
        raise ValueError("y holds labels of type bytes; decode them: y.astype(str)")
    try:
        if y.dtype.kind == "O" and any(label is None or label != label for label in y):
            raise ValueError("y has missing labels (None or nan)")
        found = np.unique(y, return_inverse=True, return_counts=True)
        check_classification_targets(y)
        return found
    except TypeError as error:
        message = f"y holds labels of types that have no order: {names}; make them one type"
        raise ValueError(message) from error


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless ``value`` is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        options = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {options}; got {value!r}")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise ValueError unless ``value`` is an int that is not too small."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an int of at least {least}, got {value!r}")


def validate_range(
    name: str, value: Any, n_columns: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Check a pair (low, high) of finite numbers, or of one per column where columns are given.

    Of columns some may hold one value only: low equals high there.

    Returns
    -------
    low, high : arrays of shape (n_columns,), or () without columns
        In float64.
    """
    per_column = "" if n_columns is None else f", or of {n_columns} per column"
    shape = () if n_columns is None else (n_columns,)
    try:
        low, high = (
            np.broadcast_to(np.asarray(bound, dtype=np.float64), shape).copy() for bound in value
        )
        ordered = (low <= high).all() and (low < high).any()
        valid = bool(np.isfinite([low, high]).all() and ordered)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            f"{name} must be a pair (low, high) of finite numbers{per_column}, low below high; "
            f"got {value!r}"
        )
    return low, high


def refuse_outside(name: str, X: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Raise ValueError if a value lies outside the declared range; nan does not."""
    low, high = low.astype(X.dtype), high.astype(X.dtype)  # 0.3 is more in float32 than in float64
    outside = np.less(X, low) | np.greater(X, high)
    if outside.any():
        place = tuple(np.argwhere(outside)[0].tolist())
        inside = f"column {place[1]}" if X.ndim == 2 else f"position {place[1:]}"
        bounds = [float(np.broadcast_to(bound, X.shape[1:])[place[1:]]) for bound in (low, high)]
        raise ValueError(
            f"{name} allows values from {bounds[0]:g} to {bounds[1]:g}, but X holds "
            f"{X[place]:g} in row {place[0]}, {inside} ({int(outside.sum())} values are outside)"
        )


def column_mask(name: str, columns: Any, n_columns: int, names: Any = None) -> np.ndarray:
    """Mark the columns that a list of places, a list of names or a mask speaks of.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    columns : array-like of int, str or bool
        The columns.
    n_columns : int
        Columns of the table.
    names : array of str, optional
        Their names.

    Returns
    -------
    array of shape (n_columns,), bool
    """
    listed = np.asarray(columns)
    mask = np.zeros(n_columns, dtype=bool)
    if listed.ndim == 1 and len(listed) == 0:
        return mask
    if listed.ndim != 1 or listed.dtype.kind not in "biuUO":
        raise ValueError(f"{name} must list places, names or a mask of columns, got {columns!r}")
    if listed.dtype.kind == "b":
        if len(listed) != n_columns:
            raise ValueError(
                f"{name} is a mask of {len(listed)} columns, but X has {n_columns} features"
            )
        return listed.copy()
    if listed.dtype.kind in "iu":
        place: dict = {column: column for column in range(-n_columns, n_columns)}
    else:
        place = {} if names is None else {str(known): i for i, known in enumerate(names)}
    wrong = [column for column in listed.tolist() if column not in place]
    if wrong:
        known = f"{n_columns} features" + ("" if names is None else f" named {list(names)}")
        raise ValueError(f"{name} names {wrong[0]!r}, but X has {known}")
    mask[[place[column] for column in listed.tolist()]] = True
    return mask
