"""Predictions of rows by models that have not seen them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import _safe_indexing, column_or_1d
from tqdm import tqdm

from skrobust._validation import Integral, sorted_classes

__all__ = [
    "check_given",
    "check_predictions",
    "encode_labels",
    "make_splits",
    "predict_unseen",
]

_Split = tuple[np.ndarray, np.ndarray]


def check_given(y: Any, *, labels: bool) -> np.ndarray:
    """Labels or targets that are not empty: one column, several targets, or yes-or-no labels."""
    given = np.asarray(y)
    if given.ndim != 2 or given.shape[1] == 1:
        given = column_or_1d(y)
    if not len(given):
        raise ValueError("y is empty: there are 0 rows (n_samples) to judge")
    if not labels:
        given = np.asarray(given, dtype=np.float64)
        if not np.isfinite(given).all():
            raise ValueError("y has missing or infinite targets")
    elif given.ndim == 2 and not np.isin(given, (0, 1)).all():
        raise ValueError(
            "y should be a 1d array of labels, or have a column of zeros and ones for each label; "
            f"got shape {given.shape}"
        )
    return given.astype(int) if labels and given.ndim == 2 else given


def encode_labels(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes and the place of each label among them."""
    if pd.isna(y).any():
        raise ValueError("y has missing labels")
    classes, codes, counts = sorted_classes(y)
    if len(classes) < 2:
        raise ValueError(f"y holds only one class: {classes[0]!r}")
    if (counts > 1).sum() < 2:
        raise ValueError(
            f"{(counts > 1).sum()} of the {len(classes)} labels in y occur more than once, at "
            "least two are needed"
        )
    return classes, codes


def make_splits(
    estimator: Any, cv: Any, X: Any, y: np.ndarray, random_state: Any, groups: Any = None
) -> list[_Split]:
    """Rows to train on and rows to judge, of each fold."""
    if isinstance(cv, Integral):
        if not 2 <= int(cv) <= len(y):
            raise ValueError(f"cv must be from 2 to the number of rows, {len(y)}, got {cv}")
        kinds: list[Any] = [KFold, GroupKFold, StratifiedKFold, StratifiedGroupKFold]
        stratified = is_classifier(estimator) and y.ndim == 1
        kind = kinds[2 * stratified + (groups is not None)]
        cv = kind(int(cv), shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            parts = check_cv(cv).split(X, y, groups)
            splits = [(np.asarray(a), np.asarray(b)) for a, b in parts]
        except ValueError as error:
            if "'groups' parameter" not in str(error):
                raise
            raise ValueError(f"{type(cv).__name__} needs groups: pass groups=") from error
    held_out = np.zeros(len(y), dtype=int)
    for train, test in splits:
        np.add.at(held_out, test, 1)
        if np.isin(test, train).any():
            raise ValueError("cv trains on rows that it holds out in the same fold")
    if (held_out != 1).any():
        raise ValueError(
            f"cv must hold out each row once, which it does not for {(held_out != 1).sum()} rows"
        )
    return splits


def predict_unseen(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    classes: np.ndarray | None,
    splits: list[_Split],
    verbose: int = 0,
    left_out: np.ndarray | None = None,
) -> np.ndarray:
    """Have the rows of each fold predicted by a clone that is trained on the others.

    Rows that are ``left_out`` are not trained on.

    Returns
    -------
    array of shape (n_samples, n_classes), (n_samples, n_labels) or of that of ``y``, float64
        Probabilities of the classes; of each label being there; or targets.
    """
    shape = y.shape if classes is None or y.ndim == 2 else (len(y), len(classes))
    predictions = np.zeros(shape)
    for train, test in tqdm(splits, desc="folds", unit="fold", disable=not verbose):
        if left_out is not None and not left_out[train].all():
            train = train[~left_out[train]]
        model = clone(estimator).fit(_safe_indexing(X, train), y[train])
        rows = _safe_indexing(X, test)
        if classes is None:
            predictions[test] = np.asarray(model.predict(rows)).reshape(len(test), *shape[1:])
        elif y.ndim == 2:
            predictions[test] = _of_labels(model, rows)
        else:
            known = np.searchsorted(classes, model.classes_)
            predictions[np.ix_(test, known)] = model.predict_proba(rows)
    check_predictions(type(estimator).__name__, predictions)
    return predictions


def _of_labels(model: Any, rows: Any) -> np.ndarray:
    """Probability that each of several labels is there, in scikit-learn's two forms."""
    found = model.predict_proba(rows)
    if isinstance(found, np.ndarray):
        return found
    present = [np.isin(known, 1) for known in model.classes_]
    return np.column_stack([p @ has for p, has in zip(found, present, strict=True)])


def check_predictions(source: str, predictions: np.ndarray) -> None:
    """Refuse predictions that are not finite: they would rank as trusted."""
    bad = ~np.isfinite(predictions.reshape(len(predictions), -1)).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{source} predicts nan or infinity for {bad.sum()} of {len(bad)} rows that it has not "
            f"seen, the first of them row {bad.argmax()}"
        )
